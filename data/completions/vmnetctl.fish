# SPDX-License-Identifier: Apache-2.0
# Completion of vmnetctl for fish. Subcommands, options and arguments come from
# vmnetctl's own help, networks and machines from the broker.

function __vmnetctl_subcommands
    vmnetctl --help | string replace -rf '^  ([a-z]+) +(.*)' '$1\t$2'
end

function __vmnetctl_subcommand
    set -l words (commandline -poc)
    test (count $words) -ge 2; and echo $words[2]
end

function __vmnetctl_options
    set -l subcommand (__vmnetctl_subcommand)
    test -n "$subcommand"; or return
    vmnetctl $subcommand --help 2>/dev/null |
        string replace -rf '^  (--[a-z-]+)(?: [A-Z]+)? +(.*)' '$1\t$2'
end

# Hosts of networks have names, too, further to the right.
function __vmnetctl_networks
    vmnetctl networks --json 2>/dev/null | string replace -rf '^ {8}"name": "(.*)",$' '$1'
end

# Those of the network that the command line has, by name, or by device where they have none.
function __vmnetctl_machines
    set -l words (commandline -poc)
    set -l name
    for line in (vmnetctl machines $words[3] --json 2>/dev/null)
        if set -l found (string match -rg '^ *"name": "?([[:alnum:]._-]*)"?,$' -- $line)
            set name $found
            test $name != null; and echo $name
        else if test "$name" = null
            string replace -rf '^ *"device": "(.*)",$' '$1' -- $line
        end
    end
end

# Whether the next word is an argument of the kind that the subcommand's help calls $argv[1].
function __vmnetctl_wants
    set -l words (commandline -poc)
    test (count $words) -ge 2; or return 1
    contains -- -- $words; and return 1
    if test "$words[-1]" = --network
        test $argv[1] = NETWORK
        return
    end
    set -l usage (vmnetctl $words[2] --help 2>/dev/null |
        string replace -r -- '--[a-z-]+ [A-Z]+' OPTION)[1]
    string match -q "* $argv[1]..." -- $usage; and return 0
    # The usage has a word before the command.
    set -l wanted (string split ' ' -- $usage)
    set -l position (math (count $words) + 2)
    test "$(string trim --chars '[]' -- $wanted[$position])" = $argv[1]
end

complete -c vmnetctl -f
complete -c vmnetctl -n 'test (count (commandline -poc)) -eq 1' -a '(__vmnetctl_subcommands)'
complete -c vmnetctl -n 'test (count (commandline -poc)) -eq 1' -l version -d 'print the version'
complete -c vmnetctl -l help -d 'print help'
complete -c vmnetctl -n 'string match -q -- "-*" (commandline -ct)' -a '(__vmnetctl_options)'
complete -c vmnetctl -n 'test "$(commandline -poc)[-1]" = --sort' \
    -a 'network machine device in out packets-in packets-out'
complete -c vmnetctl -n '__vmnetctl_wants NETWORK' -a '(__vmnetctl_networks)'
complete -c vmnetctl -n '__vmnetctl_wants MACHINE' -a '(__vmnetctl_machines)'
complete -c vmnetctl -n '__vmnetctl_wants FILE' -F
complete -c vmnetctl -n '__vmnetctl_wants SUBCOMMAND' -a '(__vmnetctl_subcommands)'
complete -c vmnetctl -n 'contains -- -- (commandline -poc)' \
    -a '(__fish_complete_subcommand --fcs-skip=(contains -i -- -- (commandline -poc)))'
