/** The latency proxy in a process of its own, so that it takes no CPU time of the harness. Started by `places.ts`. */
import { startLatencyProxy } from '../test/support/latency-proxy.ts';
import type { ProxyAnswer, ProxyQuestion } from './places.ts';

const [upstream = '', delay = '0'] = process.argv.slice(2);
const proxy = await startLatencyProxy(upstream, { delay: Number(delay) });

process.on('message', (question: ProxyQuestion) => {
  if (question === 'reset') proxy.reset();
  tell({ host: proxy.host, hops: proxy.hops(), requests: proxy.requests });
});
// Whoever started it is gone.
process.on('disconnect', () => process.exit());
tell({ host: proxy.host, hops: 0, requests: [] });

function tell(answer: ProxyAnswer): void {
  process.send?.(answer);
}
