"""Runs a command and writes what it cost to file descriptor 3, as one line of JSON.

Wall time (milliseconds), CPU time (user and system, milliseconds) and the peak memory of its largest process (KiB),
each with the processes it waited for. Node cannot ask this of a child; wait4(2) can.
"""
import os
import sys
import time

os.set_inheritable(3, False)
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - start
# macOS counts bytes, everyone else KiB.
peak = usage.ru_maxrss // 1024 if sys.platform == 'darwin' else usage.ru_maxrss
cost = '{"code":%d,"wall":%.3f,"cpu":%.3f,"peak":%d}\n'
os.write(3, (cost % (os.waitstatus_to_exitcode(status), wall * 1000,
                     (usage.ru_utime + usage.ru_stime) * 1000, peak)).encode())
