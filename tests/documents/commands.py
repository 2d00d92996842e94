# SPDX-License-Identifier: Apache-2.0
"""Every command that a document shows: which test runs it, or why none does.

A command is written in one line. A new one fails test_commands.py until it is here.
"""

QEMU = (
    "qemu-system-x86_64 -nographic -m 1024 -drive file=disk.img,format=raw "
    "-netdev tap,id=net0,fd={fd} -device virtio-net-pci,netdev=net0,mac={mac}"
)

# By the tests of test_examples.py that are called so, each of which runs all of its own.
RUN = {
    "machine": [
        f"vmnetctl run --network default --name db --publish 5432:5432 -- {QEMU}",
        "vmnetctl networks",
        "vmnetctl inspect default",
        "vmnetctl machines",
        "vmnetctl networks --json | jq -r '.networks[] | select(.state) | .configuration.name'",
        "vmnetctl inspect default --json | jq '.clients[].pid'",
        "vmnetctl monitor",
    ],
    "four_queues": [
        "vmnetctl run --network default --queues 4 -- qemu-system-x86_64 -nographic -m 1024 "
        "-smp 4 -drive file=disk.img,format=raw -netdev tap,id=net0,fds={fds} "
        "-device virtio-net-pci,netdev=net0,mac={mac},mq=on,vectors=10",
    ],
    "office": [f"vmnetctl run --network office -- {QEMU}"],
    "named_device": [
        "vmnetctl run --network default --open-by-name --mac 52:54:00:12:34:56 -- sleep infinity",
    ],
    "try": ["scripts/try --name web disk.img", "scripts/try --name db disk.img"],
    "log_in": [
        "vmnetctl ip default web --wait 60",
        "ping -c 3 web.default.internal",
        "ssh -o ConnectionAttempts=30 cloud@web.default.internal",
        "ssh admin@$(vmnetctl ip default db --wait 30)",
    ],
    "log_in_by_the_port": [
        "ssh -o ProxyCommand='vmnetctl connect host db 22 --wait 60' admin@db",
    ],
    "configuration": [
        "vmnetctl check networks.json",
        "sudo mkdir -p /etc/vmnet-broker",
        "mkdir -p /etc/vmnet-broker",
        "sudo install -m 644 networks.json /etc/vmnet-broker/networks.json",
        "install -m 644 networks.json /etc/vmnet-broker/networks.json",
        "sudo vmnetctl reload",
        "vmnetctl reload",
    ],
    "external_interface": ["ip route", "ip rule", "ip route show table 1992420276"],
    "br0_by_hand": [
        'ip link add br0 address "$(cat /sys/class/net/eth0/address)" type bridge',
        "ip link set br0 up",
        "ip address flush dev eth0",
        "ip link set eth0 master br0",
        "ip address add 198.51.100.2/24 dev br0",
        "ip route add default via 198.51.100.1",
    ],
    "br0_by_networkd": ["networkctl reload"],
    "br0_by_networkmanager": [
        "nmcli connection add type bridge ifname br0 con-name br0 bridge.stp no ipv4.method auto",
        "nmcli connection add type ethernet ifname eth0 con-name br0-port master br0",
        "nmcli connection up br0-port",
    ],
    "rules": [
        "sudo iptables -S FORWARD",
        "sudo nft list map inet vmnet-broker.networks leaving_by_group",
        "sudo nft insert rule ip filter FORWARD iifname '\"br0\"' oifname '\"br0\"' accept",
    ],
    "routes": [
        "ip route add 10.96.0.0/12 via 192.168.105.10",
        "ip rule add to 192.168.64.0/24 lookup main",
        "ip address flush dev vmb-NAME",
    ],
}

# By a test that finds the command in the document, or is about nothing else.
RUN_ELSEWHERE = {
    "tests/packages/test_deb.py::test_life_of_the_packages": [
        "git clone https://github.com/nirs/vmnet-broker && cd vmnet-broker && scripts/package-deb",
        "sudo apt-get install ./build-packages/vmnet-broker_*.deb "
        "./build-packages/lib{vmnet-broker0,nss-vmnet-broker}_*.deb",
    ],
    "tests/packages/test_install.py::test_life_of_an_installation": [
        "git clone https://github.com/nirs/vmnet-broker && cd vmnet-broker",
        "scripts/install",
    ],
    "tests/documents/test_several_hosts.py::test_set_up": [
        "sudo sed -i 's/^bgpd=no/bgpd=yes/' /etc/frr/daemons",
        "sudo systemctl restart frr",
        "sudo vtysh -c 'show bgp l2vpn evpn summary'",
        "sudo vtysh -c 'show evpn vni'",
        "vmnetctl inspect lab",
        "sha256sum /etc/vmnet-broker/networks.json",
    ],
    "tests/documents/test_several_hosts.py::test_wireguard": [
        "wg genkey",
        "wg pubkey",
        "wg-quick up wg0",
    ],
    "tests/machines/test_demo.py::test_several_hosts": [
        f"vmnetctl run --network lab --name web --mac 52:54:00:12:34:56 -- {QEMU} "
        "-incoming tcp:192.0.2.2:4444",
    ],
    "tests/programs/test_programs.py::test_libvirt": [
        "vmnetctl run --network default --open-by-name --mac 52:54:00:12:34:56 -- "
        "sh -c 'virt-xml web --edit --network target.dev={ifname} && virsh start web && "
        "virsh event web lifecycle'",
    ],
    "tests/integration/test_traffic.py::test_a_screen": ["vmnetctl top"],
    "tests/integration/test_tables.py::test_watching_machines": ["vmnetctl networks --watch"],
    "tests/programs/test_programs.py::test_cni": ["/usr/lib/cni/dhcp daemon"],
    "tests/bindings/test_rust.py::test_the_program_of_the_readme": [
        "bindgen --allowlist-function 'vmnet_broker_.*' --default-enum-style newtype "
        "--no-layout-tests -o vmnet_broker.rs /usr/include/vmnet-broker.h",
        "rustc --edition 2021 main.rs $(pkg-config --libs vmnet-broker) && ./main default",
    ],
    "tests/release/test_release.py::test_signed": ["scripts/release"],
    "tests/macos/test_install.py::test_the_line_of_the_readme": [
        "curl -fLO https://github.com/nirs/vmnet-broker/releases/latest/download/install-macos "
        "&& less install-macos && sudo sh install-macos",
    ],
    "tests/darwin/test_check_macos.py::test_all_of_it": ["scripts/check-macos dist build"],
}

NOT_RUN = {
    "Debian 12's systemd has no varlinkctl; each was tried with that of Debian 13.": [
        "varlinkctl introspect /run/vmnet-broker/socket com.github.nirs.vmnetbroker",
        "varlinkctl --more call /run/vmnet-broker/socket "
        "com.github.nirs.vmnetbroker.ListNetworks '{}'",
        "varlinkctl call /run/vmnet-broker/socket "
        "com.github.nirs.vmnetbroker.DescribeNetwork '{\"network\":\"default\"}'",
        "varlinkctl --more call /run/vmnet-broker/socket com.github.nirs.vmnetbroker.Monitor '{}'",
    ],
    "It needs a Mac; scripts/check-macos goes through the page there, and here on a double.": [
        "meson setup build && ninja -C build",
        "otool -L build/broker/darwin/vmnet-broker",
        "codesign --display --entitlements - build/broker/darwin/vmnet-broker",
        "xcrun --show-sdk-path",
        "grep -n 'vmnet_network_\\|vmnet_interface_start_with_network' "
        '"$(xcrun --show-sdk-path)"/System/Library/Frameworks/vmnet.framework/Headers/vmnet.h',
        "scripts/dist build",
        "sudo sh dist/install-macos dist/vmnet-broker-*-macos.tar.gz",
        'export PATH="$PATH:/Library/Application Support/vmnet-broker/bin"',
        "ps -axo user,command | grep '[v]mnet-broker/vmnet-broker'",
        "dscl . -read /Users/_vmnetbroker UniqueID",
        'ls -le -d /Library "/Library/Application Support" /Library/LaunchDaemons /Library/Logs',
        "vmnetctl hold default",
        "ifconfig | grep -A8 '^bridge1'",
        "vmnetctl hold shared host",
        "build/examples/client-xpc default",
        "ifconfig | grep '^bridge1'",
        "sudo launchctl kill SIGTERM system/com.github.nirs.vmnet-broker",
        "sudo tail -n 3 /Library/Logs/vmnet-broker/vmnet-broker.log",
        "sudo launchctl kill SIGKILL system/com.github.nirs.vmnet-broker",
        "sudo sh dist/install-macos --force dist/vmnet-broker-*-macos.tar.gz",
        'build/examples/vm default vmlinuz initrd "console=hvc0"',
        "vmnetctl ip default ADDRESS-OF-ONE --wait 60",
        'ping -c 3 "$(vmnetctl ip default ADDRESS-OF-ONE)"',
        "sudo killall -9 vmnet-broker",
        "sudo sh dist/uninstall-macos --purge",
        "sudo launchctl print system/com.github.nirs.vmnet-broker",
        "dscl . -read /Users/_vmnetbroker",
        "log show --last 1h --predicate 'subsystem == \"com.github.nirs.vmnet-broker\"'",
        "meson setup build --buildtype=release "
        '-Dcodesign_identity="Developer ID Application: NAME"',
        "grep '\"lab\"' /Library/Logs/vmnet-broker/vmnet-broker.log",
        'vmnet="/Library/Application Support/vmnet-broker"',
        'swiftc main.swift -I "$vmnet/include" -L "$vmnet/lib" '
        '-Xlinker -rpath -Xlinker "$vmnet/lib"',
        "swift test",
    ],
    "It is about a change of another program that is proposed there.": [
        "vfkit ... --device virtio-net,vmnet,network=default,mac=52:54:00:12:34:56",
    ],
    "It needs the service as it is installed; the stage exposure asks the same of its file.": [
        "systemd-analyze security --no-pager vmnet-broker vmnet-broker-dnsmasq",
        "journalctl -u vmnet-broker VMNET_NETWORK=lab",
    ],
    "It needs all of a host; its tests, test_doctor_*.py, give it hosts with trouble.": [
        "vmnetctl doctor",
    ],
    "It needs a program that takes long to install; tried by hand.": [
        "vmnetctl run --network default --open-by-name -- "
        "packer build -var ifname={ifname} -var mac={mac} machine.json",
        'podman run --rm --network vmnet --rootfs "$PWD/rootfs" ip address',
    ],
    "It needs the service and systemd; tried by hand.": [
        "systemctl enable --now vmnet-hold@default",
    ],
    "It publishes.": ["git push origin vVERSION"],
    "It fetches from the network, and gets what is here.": [
        "go get github.com/nirs/vmnet-broker/bindings/go",
        "git clone https://github.com/nirs/vmnet-broker",
        "cd vmnet-broker",
        "sudo apt-get install frr",
    ],
    "It installs for the user; tests/bindings builds and installs the same in a folder.": [
        "pip install ./bindings/python",
    ],
    "It is a stage of scripts/check, or the check itself.": [
        "meson setup build",
        "ninja -C build",
        "meson test -C build --suite unit",
        "meson setup build-sanitized -Dwerror=true -Db_sanitize=address,undefined -Db_lundef=false",
        "ninja -C build-sanitized",
        "sudo tests/pytest --build build-sanitized tests/integration",
        'sudo tests/pytest --build build-sanitized -n 4 --dist loadgroup -m "not timed"',
        "sudo tests/pytest --build build tests/integration/test_faults.py",
        "sudo tests/pytest --build build -s tests/integration/test_shortage.py",
        "sudo tests/pytest --build build -s tests/integration/test_hosts_moves.py -k twenty",
        "sudo tests/pytest --build build tests/integration/test_hosts_failures.py",
        "sudo VMNET_TEST_HOSTS=64 VMNET_TEST_MACHINES=10000 VMNET_TEST_ATTACHED=60 "
        "tests/pytest --build build -s tests/integration/test_hosts_scale.py",
        "sudo tests/torture.py --build build-check --seed 40706187",
        "sudo scripts/check",
        "sudo scripts/check unit format",
        "sudo scripts/check fuzz",
        "sudo scripts/check package",
        "sudo tests/packages/make-root trixie build-roots/trixie.tar",
        "sudo tests/pytest --build build-check tests/packages -k life --release trixie",
        "scripts/package-deb",
    ],
    "It measures, for minutes, with the machine to itself; test_bench.py runs parts of it.": [
        "scripts/bench",
        "scripts/bench --only profile",
        "scripts/bench --quick --only scale",
        "scripts/bench --only fairness",
        "sudo scripts/bench --quick",
        "scripts/bench --markdown docs/performance.md --plots docs",
    ],
    "It goes on until it is stopped, in as many processes as there are processors.": [
        "scripts/fuzz",
    ],
}
