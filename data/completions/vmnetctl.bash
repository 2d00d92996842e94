# SPDX-License-Identifier: Apache-2.0
# Completion of vmnetctl for bash. Subcommands, options and arguments come from
# vmnetctl's own help, networks and machines from the broker.

_vmnetctl_subcommands() {
	vmnetctl --help | sed -n 's/^  \([a-z]*\) .*/\1/p'
}

_vmnetctl_options() {
	echo --help
	vmnetctl "$1" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
}

# What the subcommand $1 wants as its argument number $2: network, machine, file, subcommand or
# nothing.
_vmnetctl_argument() {
	case $(vmnetctl "$1" --help | head -n 1),$2 in
	*' NETWORK...,'* | *" $1 NETWORK"*,1 | *" $1 [NETWORK]"*,1) echo network ;;
	*' NETWORK MACHINE'*,2 | *' NETWORK [MACHINE]'*,2) echo machine ;;
	*'[FILE],1') echo file ;;
	*'[SUBCOMMAND],1') echo subcommand ;;
	esac
}

# Hosts of networks have names, too, further to the right.
_vmnetctl_networks() {
	vmnetctl networks --json | sed -n 's/^ \{8\}"name": "\(.*\)",$/\1/p'
}

# Those of the network $1, by name, or by device where they have none.
_vmnetctl_machines() {
	vmnetctl machines "$1" --json | sed -n -e 's/^ *"name": "\([[:alnum:]._-]*\)",$/\1/p' \
		-e '/^ *"name": null,$/,/^ *"device"/s/^ *"device": "\(.*\)",$/\1/p'
}

_vmnetctl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local subcommand=${COMP_WORDS[1]} words='' i
	local -a arguments=()

	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--)
			# What follows is a command with its own completion.
			if declare -F _command_offset >/dev/null; then
				_command_offset $((i + 1))
			else
				mapfile -t COMPREPLY < <(compgen -c -- "$current")
			fi
			return
			;;
		-*) ;;
		*) arguments+=("${COMP_WORDS[i]}") ;;
		esac
	done

	if [ "$COMP_CWORD" = 1 ]; then
		words="$(_vmnetctl_subcommands) --help --version"
	elif [ "$previous" = --network ]; then
		words=$(_vmnetctl_networks 2>/dev/null)
	elif [ "$previous" = --sort ]; then
		words='network machine device in out packets-in packets-out'
	elif [[ $current = -* ]]; then
		words=$(_vmnetctl_options "$subcommand" 2>/dev/null)
	else
		case $(_vmnetctl_argument "$subcommand" $((${#arguments[@]} + 1)) 2>/dev/null) in
		network) words=$(_vmnetctl_networks 2>/dev/null) ;;
		machine) words=$(_vmnetctl_machines "${arguments[0]}" 2>/dev/null) ;;
		subcommand) words=$(_vmnetctl_subcommands) ;;
		file) mapfile -t COMPREPLY < <(compgen -f -- "$current") && return ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _vmnetctl vmnetctl
