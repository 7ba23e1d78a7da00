#!/bin/sh
# Runs one command of a Dockerfile's build stage: in a root that holds what the stage's base image holds, with the machine's
# Rust (SYSROOT) in the place of the image's. Usage: builder.sh ROOT COMMAND, with SYSROOT, CARGO_HOME and PROFILE in the
# environment.
set -eu

if [ "${TENURE_BUILDER:-}" != inside ]; then
  TENURE_BUILDER=inside exec unshare --mount --propagation private -- "$0" "$@"
fi
root=$1
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
for directory in "$CARGO_HOME" "$SYSROOT"; do
  mkdir -p "$root$directory"
  mount --bind "$directory" "$root$directory"
done
cp /etc/resolv.conf "$root/etc/resolv.conf"
exec env -i HOME=/root PATH="$SYSROOT/bin:/usr/local/bin:/usr/bin:/bin" CARGO_HOME="$CARGO_HOME" PROFILE="$PROFILE" \
  CARGO_NET_OFFLINE=true "$(command -v chroot)" "$root" /bin/sh -c "cd /src && $2"
