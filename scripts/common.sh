# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the scripts share; sourced, with "top" set to the top of the source tree.

# shellcheck source=packages
. "${top:?}/scripts/packages"

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# Goes on as root: become_root "$@", before the arguments are touched.
become_root() {
	[ "$(id -u)" -ne 0 ] || return 0
	command -v sudo >/dev/null || die "needs root, and there is no sudo"
	exec sudo -- "$0" "$@"
}

# What root has made here becomes the source tree's owner's, who may then remove it.
give_back() {
	owner=$(stat -c %u:%g "$top")
	[ "${owner%:*}" -ne 0 ] || return 0
	find "$top" -xdev -user 0 -execdir chown -h "$owner" {} +
}

give_back_at_the_end() {
	trap give_back EXIT
	trap 'exit 1' HUP INT TERM
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Those of the packages that apt knows: a distribution may not have them all,
# and what needs one then says so itself.
known_packages() {
	for package in "$@"; do
		if apt-cache show "$package" >/dev/null 2>&1; then
			echo "$package"
		else
			echo "apt knows no package $package" >&2
		fi
	done
}

apt_install() {
	apt-get -q update
	# shellcheck disable=SC2046 # one word a package
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install \
		$(known_packages "$@")
}

# As apt_install(), and no service of theirs serves this host: tests run these
# programs, in namespaces of their own.
apt_install_without_services() (
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		trap 'rm -f "$policy"' EXIT
		trap 'exit 1' HUP INT TERM
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	apt_install "$@" || exit 1
	command -v systemctl >/dev/null || exit 0
	for package in "$@"; do
		is_installed "$package" || continue
		case $package in
		apparmor | firewalld | frr | ufw) systemctl --quiet disable "$package" || exit 1 ;;
		network-manager) systemctl --quiet disable NetworkManager || exit 1 ;;
		esac
	done
)

# Installs those of the packages that are missing; says nothing when none is.
install_packages() {
	command -v apt-get >/dev/null || {
		die "there is no apt-get here; install what is in these packages of Debian," \
			"then use --no-install: $(echo "$*" | tr -s '\n\t' '  ')"
	}
	missing=
	# shellcheck disable=SC2048 # each argument is a list
	for package in $*; do
		case "$missing " in *" $package "*) continue ;; esac
		is_installed "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	echo "installing$missing"
	# shellcheck disable=SC2086 # a list
	quietly apt_install_without_services $missing || die "apt-get could not install$missing"
}

# As meson.build has it, which is where it stands.
project_version() {
	sed -n "s/^  version: '\(.*\)',$/\1/p" "$top/meson.build"
}

# Runs a command and shows what it printed only when it fails.
quietly() {
	quietly_log=$(mktemp)
	if "$@" >"$quietly_log" 2>&1 </dev/null; then
		rm -f "$quietly_log"
		return 0
	fi
	cat "$quietly_log" >&2
	rm -f "$quietly_log"
	return 1
}

# build DIR [meson's options]: sets up a build directory, or that which is there anew, and builds.
build() {
	build_dir=$1
	shift
	if [ -f "$build_dir/build.ninja" ]; then
		quietly meson configure "$build_dir" "$@" || return 1
	else
		quietly meson setup "$build_dir" "$top" "$@" || return 1
	fi
	quietly ninja -C "$build_dir"
}
