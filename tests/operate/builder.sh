#!/bin/sh
# Runs one command of a Dockerfile's build stage: in a root that holds what the stage's base image holds, with the machine's
# Rust in the place of the image's. Usage: builder.sh ROOT COMMAND, with CARGO_HOME, RUSTUP_HOME and what the command needs in
# the environment.
set -eu

if [ "${TENURE_BUILDER:-}" != inside ]; then
  TENURE_BUILDER=inside exec unshare --mount --propagation private -- "$0" "$@"
fi
root=$1
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
for directory in "$CARGO_HOME" "$RUSTUP_HOME"; do
  mkdir -p "$root$directory"
  mount --bind "$directory" "$root$directory"
done
cp /etc/resolv.conf "$root/etc/resolv.conf"
exec env -i HOME=/root PATH="$CARGO_HOME/bin:/usr/local/bin:/usr/bin:/bin" CARGO_HOME="$CARGO_HOME" \
  RUSTUP_HOME="$RUSTUP_HOME" RUSTUP_TOOLCHAIN="$RUSTUP_TOOLCHAIN" PROFILE="$PROFILE" CARGO_NET_OFFLINE=true \
  "$(command -v chroot)" "$root" /bin/sh -c "cd /src && $2"
