#!/usr/bin/env bash
# Brings the real programs that the interoperability tests and benches run:
#
#   tools/programs.sh [--update] [NAME...]
#
# Without names: everything in the table below. With names: only those.
# --update asks the mirror for newer versions of what is already there.
#
# Debian packages are unpacked, not installed: nothing outside the cache folder
# is written, and no root is needed. The folder is
#
#   ${BOLTSEAL_PROGRAMS:-${XDG_CACHE_HOME:-$HOME/.cache}/boltseal/programs}
#     bin/NAME              what tests start (test/support/programs.ts looks here);
#                           with postgres comes initdb; moto-python is a Python
#                           that can import moto, which plays AWS, and hvac, a
#                           client of Vault
#     lib/libsofthsm2.so    the PKCS#11 module
#     busybox/ARCH/busybox  static binaries for a multi-architecture test image
#     roots/NAME/           the unpacked packages of one program
#     stamps/NAME           what is there: recipe and version
#
# Packages come from the Debian mirror in the machine's own apt sources (or
# BOLTSEAL_DEBIAN_MIRROR=URI), for several suites, with apt's signature checks on
# and a private apt state. A second run reads the stamps and needs no network.
set -euo pipefail

cache=${BOLTSEAL_PROGRAMS:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/boltseal/programs}

[[ $cache == /* ]] || cache=$PWD/$cache

fail() {
  printf 'tools/programs.sh: %s\n' "$1" >&2
  shift
  (($# == 0)) || printf '  %s\n' "$@" >&2
  exit 1
}

# shellcheck disable=SC1091
[[ -r /etc/os-release ]] && own_suite=$(. /etc/os-release && [[ ${ID-} == debian ]] && echo "${VERSION_CODENAME-}") || own_suite=
: "${own_suite:=trixie}"

# Each suite has one PostgreSQL, and it needs many libraries: best those of the machine's own.
postgres_suite=trixie postgres_version=17
[[ $own_suite != bookworm ]] || postgres_suite=bookworm postgres_version=15

# name | suite | packages (the first one's version counts) | from | below | file
# "from" and "below" bound the version: sid moves, and a test written against
# cosign 3 must not silently run against cosign 4.
recipes=(
  "docker-registry|$own_suite|docker-registry|2.8|3~|usr/bin/docker-registry"
  "softhsm2-util|$own_suite|softhsm2 libsofthsm2|2.6|3~|usr/bin/softhsm2-util"
  "busybox-amd64|$own_suite|busybox-static:amd64|1.35|2~|bin/busybox"
  "busybox-arm64|$own_suite|busybox-static:arm64|1.35|2~|bin/busybox"
  "cosign2|trixie|cosign|2.4|3~|usr/bin/cosign"
  "skopeo|trixie|skopeo|1.18|2~|usr/bin/skopeo"
  "cosign3|sid|cosign|3.0|4~|usr/bin/cosign"
  "crane|sid|crane|0.20|1~|usr/bin/crane"
  "oras|sid|oras|1.2|2~|usr/bin/oras"
  "sigstore-go-verification|sid|sigstore-go|1.0|2~|usr/bin/sigstore-go-verification"
  "sigstore-go-signing|sid|sigstore-go|1.0|2~|usr/bin/sigstore-go-signing"
  "kubectl|trixie|kubectl|1.30|2~|usr/bin/kubectl"
  "pkcs11-tool|$own_suite|opensc opensc-pkcs11|0.23|1~|usr/bin/pkcs11-tool"
  "rekor-cli|sid|rekor|1.3|2~|usr/bin/rekor-cli"
  "moto-python|trixie|python3-moto python3-flask-cors python3-hvac python3.13-minimal|5.1|6~|usr/bin/python3.13"
  "postgres|$postgres_suite|postgresql-$postgres_version|$postgres_version|$((postgres_version + 1))~|usr/lib/postgresql/$postgres_version/bin/postgres"
)

# The file a program is started by.
entry_of() {
  case $1 in
    busybox-*) echo "$cache/busybox/${1#busybox-}/busybox" ;;
    *) echo "$cache/bin/$1" ;;
  esac
}

# --- the machine's mirror ---------------------------------------------------

# Prints the first mirror of Debian itself (not of its security updates) in the
# machine's apt sources, one-line or deb822.
find_mirror() {
  local -a files=()
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [[ -r $file ]] && files+=("$file")
  done
  ((${#files[@]})) || return 0
  awk '
    function consider(uri, suite) {
      if (uri ~ /debian/ && uri !~ /security/ && suite !~ /security/ && uri ~ /^(https?|file|mirror\+file|copy):/) { print uri; found = 1; exit }
    }
    function flush(  on) {
      on = !(enabled ~ /no/) && types ~ /(^| )deb( |$)/
      if (on && uris != "") consider(uris, suites)
      types = uris = suites = enabled = ""
    }
    FNR == 1 { flush(); deb822 = FILENAME ~ /\.sources$/ }
    /^[ \t]*#/ { next }
    !deb822 && $1 == "deb" { sub(/\[[^]]*\]/, ""); $0 = $0; consider($2, $3); next }
    deb822 && /^[ \t]*$/ { flush(); next }
    deb822 && tolower($1) == "types:" { $1 = ""; types = substr($0, 2) }
    deb822 && tolower($1) == "uris:" { uris = $2 }
    deb822 && tolower($1) == "suites:" { suites = $2 }
    deb822 && tolower($1) == "enabled:" { enabled = $2 }
    END { if (!found) flush() }
  ' "${files[@]}"
}

# --- a private apt ----------------------------------------------------------

# private_apt SUITE apt-get|apt-cache ARGUMENT...
private_apt() {
  local suite=$1 program=$2
  shift 2
  LC_ALL=C "$program" -c "$cache/apt/$suite/apt.conf" "$@"
}

# Lays out an apt of its own for one suite, and reads the suite's package index.
open_suite() {
  local suite=$1 folder=$cache/apt/$1
  mkdir -p "$folder"/state/lists/partial "$folder"/cache/archives/partial
  : >"$folder/status"
  # target=Packages: no translations, no desktop metadata.
  echo "deb [signed-by=$keyring target=Packages] $mirror $suite main" >"$folder/sources.list"
  # Read after the machine's own configuration, so that its proxy and its
  # certificates apply while its hooks (which write to /var) do not.
  cat >"$folder/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Retries "3";
Dir::State "$folder/state";
Dir::State::lists "$folder/state/lists";
Dir::State::status "$folder/status";
Dir::Cache "$folder/cache";
Dir::Cache::archives "$folder/cache/archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
CONF
  # Only busybox is wanted for a foreign architecture, from the machine's suite.
  [[ $suite == "$own_suite" ]] || sed -i "s/^APT::Architectures.*/APT::Architectures { \"$architecture\"; };/" "$folder/apt.conf"
  private_apt "$suite" apt-get update -qq >"$folder/log" 2>&1
}

# download SUITE FOLDER PACKAGE[=VERSION]...
download() {
  local suite=$1 folder=$2 log
  shift 2
  mkdir -p "$folder"
  if ! log=$(cd "$folder" && private_apt "$suite" apt-get download -qq "$@" 2>&1); then
    fail "could not download from Debian $suite at $mirror: $*" "$log"
  fi
}

unpack() {
  local package
  for package in "$1"/*.deb; do dpkg -x "$package" "$2"; done
}

# --- one program ------------------------------------------------------------

# Whether the host's own libraries are missing something that FILE needs, be it
# a library or only a newer symbol version. A static binary needs nothing.
lacks_libraries() {
  ldd "$1" 2>&1 | grep -q 'not found'
}

# Adds every library package that PACKAGE depends on, the C library included;
# with KINDS, every package whose name starts with one of these.
add_libraries() {
  local suite=$1 package=$2 folder=$3 root=$4 kinds=${5-lib}
  local -a libraries=()
  mapfile -t libraries < <(private_apt "$suite" apt-get install --print-uris --no-install-recommends -qq "$package" |
    sed -nE "s/^'[^']*' (($kinds)[^_]*)_.*/\1/p")
  ((${#libraries[@]})) || fail "found no library packages that $package of Debian $suite depends on"
  download "$suite" "$folder" "${libraries[@]}"
  unpack "$folder" "$root"
}

bring() {
  local name=$1 suite=$2 packages=$3 from=$4 below=$5 file=$6 recipe=$7
  local entry first version stage root=$cache/roots/$name
  entry=$(entry_of "$name")
  first=${packages%% *}
  version=$(private_apt "$suite" apt-cache show --no-all-versions "$first" 2>/dev/null | sed -n 's/^Version: //p')
  [[ $version ]] || fail "Debian $suite at $mirror has no package $first" "Is that mirror complete? BOLTSEAL_DEBIAN_MIRROR=URI names another one."
  local upstream=${version#*:}
  if ! dpkg --compare-versions "$upstream" ge "$from" || ! dpkg --compare-versions "$upstream" lt "$below"; then
    fail "Debian $suite has $first $version, but $name must be at least $from and below $below" "Change the table in this file if the newer one is wanted."
  fi
  if [[ -x $entry && $(cat "$cache/stamps/$name" 2>/dev/null) == "$recipe"$'\n'"$version" ]]; then return; fi

  stage=$(mktemp -d "$cache/stage.XXXXXX")
  # shellcheck disable=SC2086 # a list of packages
  download "$suite" "$stage/own" $packages
  unpack "$stage/own" "$stage/root"
  # Newer suites have moved /bin into /usr/bin.
  [[ -f $stage/root/$file || ! -f $stage/root/usr/$file ]] || file=usr/$file
  [[ -f $stage/root/$file ]] || fail "package $first $version of Debian $suite has no file $file"

  local foreign=
  if [[ $name == moto-python ]]; then
    # A Python of its own: the host's may be of another version.
    foreign=yes
    add_libraries "$suite" "$first" "$stage/libraries" "$stage/root" 'lib|python3'
  elif [[ $name != busybox-* ]] && lacks_libraries "$stage/root/$file"; then
    foreign=yes
    add_libraries "$suite" "$first" "$stage/libraries" "$stage/root"
  fi

  rm -rf "$root"
  mkdir -p "$cache/roots" "$cache/stamps" "$(dirname "$entry")"
  mv "$stage/root" "$root"
  rm -rf "$stage"
  write_entry "$name" "$entry" "$root" "$file" "$foreign"
  printf '%s\n%s\n' "$recipe" "$version" >"$cache/stamps/$name"
}

# A link to the program itself wherever the host can run it: a wrapper would
# count in every start-up measurement.
write_entry() {
  local name=$1 entry=$2 root=$3 file=$4 foreign=$5
  local -a command=("$root/$file")
  if [[ $foreign ]]; then
    local -a loaders=("$root"/lib64/ld-linux-*.so.* "$root"/usr/lib64/ld-linux-*.so.* "$root"/lib/ld-linux-*.so.* "$root"/usr/lib/ld-linux-*.so.*)
    local loader='' candidate
    for candidate in "${loaders[@]}"; do
      if [[ -e $candidate ]]; then loader=$candidate && break; fi
    done
    [[ $loader ]] || fail "no dynamic loader among the libraries of $name"
    command=("$loader" --library-path "$root/usr/lib/$triplet:$root/lib/$triplet" "$root/$file")
    lacks_none "${command[@]}" || fail "$name still lacks libraries, even with those of its own suite" "$("${command[0]}" --list "${command[@]:1}" 2>&1 | grep 'not found' || true)"
  fi
  if [[ $name == moto-python ]]; then
    command=(/usr/bin/env "PYTHONHOME=$root/usr" PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE= "${command[@]}")
  fi
  if [[ $name == softhsm2-util ]]; then
    # Its built-in path of the module is that of an installed package.
    mkdir -p "$cache/lib"
    ln -sfn "$root/usr/lib/softhsm/libsofthsm2.so" "$cache/lib/libsofthsm2.so"
    command+=(--module "$cache/lib/libsofthsm2.so")
    ! lacks_libraries "$cache/lib/libsofthsm2.so" || printf 'tools/programs.sh: warning: %s\n' \
      "this machine lacks libraries of libsofthsm2.so (packages libssl3 and libstdc++6), so no other program can load it" >&2
  fi
  if [[ $name == postgres ]]; then
    # initdb starts the server that lies beside it.
    local beside=$root/${file%/*}
    write_start "$cache/bin/initdb" "${command[@]/%\/postgres//initdb}"
    if [[ $foreign ]]; then
      mv "$beside/postgres" "$beside/postgres.real"
      command[-1]=$beside/postgres.real
      write_start "$beside/postgres" "${command[@]}"
    fi
  fi
  write_start "$entry" "${command[@]}"
}

# write_start FILE COMMAND...: a link to COMMAND, or a script when it has arguments.
write_start() {
  local file=$1
  shift
  rm -f "$file"
  if (($# == 1)); then
    ln -s "$1" "$file"
  else
    printf '#!/bin/sh\nexec %s "$@"\n' "${*@Q}" >"$file"
    chmod 755 "$file"
  fi
}

# Whether LOADER --library-path PATH FILE resolves every library.
lacks_none() {
  ! "$1" --list "${@:2}" 2>&1 | grep -q 'not found'
}

# --- the run ----------------------------------------------------------------

update=
declare -A named=()
for argument in "$@"; do
  case $argument in
    --update) update=yes ;;
    -h | --help) sed -n '2,/^set/{s/^# \{0,1\}//p}' "$0" && exit ;;
    -*) fail "unknown option $argument" "usage: tools/programs.sh [--update] [NAME...]" ;;
    *) named[$argument]=unknown ;;
  esac
done

wanted=()
missing=()
for recipe in "${recipes[@]}"; do
  IFS='|' read -r name _ <<<"$recipe"
  if ((${#named[@]})); then
    [[ ${named[$name]-} ]] || continue
    named[$name]=known
  fi
  wanted+=("$name")
  entry=$(entry_of "$name")
  stamped=
  [[ -r $cache/stamps/$name ]] && { read -r stamped <"$cache/stamps/$name" || true; }
  [[ ! $update && -x $entry && $stamped == "$recipe" ]] || missing+=("$recipe")
done
for name in "${!named[@]}"; do
  [[ ${named[$name]} == known ]] || fail "unknown program $name" "known: $(printf '%s\n' "${recipes[@]}" | cut -d'|' -f1 | xargs)"
done

if ((${#missing[@]})); then
  for tool in apt-get apt-cache dpkg dpkg-deb ldd flock awk; do
    command -v "$tool" >/dev/null || fail "$tool is needed and not here: this script works on Debian and its derivatives" \
      "Elsewhere, put the programs on PATH under the names the tests use: $(printf '%s\n' "${missing[@]}" | cut -d'|' -f1 | xargs)"
  done
  mirror=${BOLTSEAL_DEBIAN_MIRROR:-$(find_mirror)}
  [[ $mirror ]] || fail "no Debian mirror in /etc/apt/sources.list or /etc/apt/sources.list.d" "BOLTSEAL_DEBIAN_MIRROR=URI names one."
  keyring=
  for candidate in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
    if [[ -r $candidate ]]; then keyring=$candidate && break; fi
  done
  [[ $keyring ]] || fail "no keys to check Debian's signatures with: /usr/share/keyrings/debian-archive-keyring.gpg" "Install the package debian-archive-keyring."
  architecture=$(dpkg --print-architecture)
  case $architecture in
    amd64) triplet=x86_64-linux-gnu ;;
    arm64) triplet=aarch64-linux-gnu ;;
    *) fail "no recipe for the architecture $architecture (amd64 and arm64 only)" ;;
  esac

  mkdir -p "$cache"
  # One run at a time; a second one finds everything there.
  exec 9>"$cache/lock"
  flock 9
  trap 'rm -rf "$cache"/stage.* "$cache/apt"' EXIT

  declare -A opened=()
  for recipe in "${missing[@]}"; do
    IFS='|' read -r _ suite _ <<<"$recipe"
    [[ ${opened[$suite]-} ]] && continue
    open_suite "$suite" &
    opened[$suite]=$!
  done
  for suite in "${!opened[@]}"; do
    wait "${opened[$suite]}" || fail "could not read the package index of Debian $suite at $mirror" "$(tail -n 5 "$cache/apt/$suite/log" || true)" \
      "BOLTSEAL_DEBIAN_MIRROR=URI names another mirror."
  done
  for recipe in "${missing[@]}"; do
    IFS='|' read -r name suite packages from below file <<<"$recipe"
    bring "$name" "$suite" "$packages" "$from" "$below" "$file" "$recipe"
  done
fi

for name in "${wanted[@]}"; do
  { read -r _ && read -r version; } <"$cache/stamps/$name"
  printf '%-24s %-24s %s\n' "$name" "$version" "$(entry_of "$name")"
done
