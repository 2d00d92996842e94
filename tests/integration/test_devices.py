# SPDX-License-Identifier: Apache-2.0
"""Programs that do with the device they were given what no machine's would.

test_firewall.py and test_rogue.py have what machines themselves do.
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct

import pytest

from support import frame
from support.host import SERVER_IPV4, SERVER_IPV6, UPLINK
from support.tap import IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_VNET_HDR, open_tap
from support.varlink import VarlinkError
from support.wait import wait_for

GATEWAY, GATEWAY_IPV6 = "192.168.105.1", "fd12:3456:789a:5::1"
CONFIG = {
    "lab": {"mode": "shared", "subnet": "192.168.105.0/24", "ipv6_prefix": "fd12:3456:789a:5::/64"},
    "office": {"mode": "bridged", "external_interface": "br0"},
}
SIOCSIFHWADDR, TUNSETOWNER, TUNSETOFFLOAD = 0x8924, 0x400454CC, 0x400454D0
TUN_F_CSUM, TUN_F_TSO4 = 1, 2
TUNSETQUEUE, IFF_ATTACH_QUEUE, IFF_DETACH_QUEUE = 0x400454D9, 0x0200, 0x0400
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
ARPHRD_ETHER = 1
NOTE = b"something to know it by "

pytestmark = pytest.mark.broker(config=CONFIG)


def bridge_mac(host, bridge="vmb-lab"):
    return frame.mac_bytes(host.device(bridge)["address"])


def own_frame(attachment, destination, protocol, payload):
    return frame.ethernet(
        destination, frame.mac_bytes(attachment.mac_address), protocol, payload
    )


# Frames that are harmless until the host has written the checksum: each with the place of it in the
# frame, and what it becomes.


def arp_claim(rogue, _):
    payload = frame.arp_reply(frame.mac_bytes(rogue.mac_address), "192.168.7.7")
    return own_frame(rogue, frame.BROADCAST, 0x0806, payload + b"\0" * 4), 30, 0x6901


def ipv4_source(rogue, _):
    packet = frame.ipv4("192.168.105.7", "192.168.105.99", 17, frame.udp(1000, 1000, NOTE))
    return own_frame(rogue, frame.BROADCAST, 0x0800, packet), 28, 0x6901


def dhcp_offer(rogue, _):
    packet = frame.ipv4("192.168.105.7", "255.255.255.255", 17, frame.udp(1000, 1000, NOTE))
    return own_frame(rogue, frame.BROADCAST, 0x0800, packet), 36, 68


def router_advertisement(rogue, _):
    message = bytes.fromhex("8600000040000708 0000000000000000") + NOTE
    packet = frame.ipv6("fe80::99", "ff02::1", 59, message)
    return own_frame(rogue, bytes.fromhex("333300000001"), 0x86DD, packet), 20, 0x3AFF


def neighbour_advertisement(rogue, _):
    message = bytes.fromhex("8800000020000000 fe800000000000000000000000000099") + NOTE
    packet = frame.ipv6("fe80::99", "ff02::1", 58, message)
    return own_frame(rogue, bytes.fromhex("333300000001"), 0x86DD, packet), 14 + 40 + 22, 1


def switch_queue(fd, how):
    fcntl.ioctl(fd, TUNSETQUEUE, struct.pack("16sH22x", b"", how))


def test_a_machine_switches_its_queues(attach):
    """QEMU does at each start: the kernel reads a filter of the device anew, in QEMU's memory."""
    queues = attach(queues=2).tap_fds
    for how in IFF_DETACH_QUEUE, IFF_ATTACH_QUEUE:
        switch_queue(queues[1], how)


@pytest.mark.parametrize("options", [{}, {"openByName": True}, {"queues": 2}], ids=str)
@pytest.mark.parametrize(
    "make_frame",
    [arp_claim, ipv4_source, dhcp_offer, router_advertisement, neighbour_advertisement],
)
def test_a_checksum_does_not_make_the_gateway_of_a_machine(host, attach, make_frame, options):
    """A device without offloads gets what the kernel has written: as firmware has it, and BSDs."""
    host.filter_bridges("ip", 0)  # which looks at the sum of the header, too
    rogue, victim = attach(), attach(**options)
    data, at, value = make_frame(rogue, victim)
    named = "openByName" in options
    fd = open_tap(host, victim.name) if named else victim.tap_fds[0]
    for other in victim.tap_fds[1:]:
        switch_queue(other, IFF_DETACH_QUEUE)

    def is_made(each):
        return len(each) == len(data) and each[:at] == data[:at]

    # The same with another value comes through.
    frame.read_all(fd)
    frame.write_completed(rogue.tap_fds[0], data, at, value + 1)
    assert frame.wait_for_frame(fd, is_made)
    frame.write_completed(rogue.tap_fds[0], data, at, value)
    frame.write(rogue.tap_fds[0], arp_of(rogue, "192.168.105.98"))
    seen = []
    frame.wait_for_frame(fd, lambda each: seen.append(each) or b"\xc0\xa8\x69\x62" in each)
    if named:
        os.close(fd)
    assert not [each.hex() for each in seen if is_made(each)]


def arp_of(attachment, address):
    payload = frame.arp_reply(frame.mac_bytes(attachment.mac_address), address)
    return own_frame(attachment, frame.BROADCAST, 0x0806, payload)


@contextlib.contextmanager
def receiver(namespace, port, family=socket.AF_INET):
    with namespace.entered():
        listener = socket.socket(family, socket.SOCK_DGRAM)
        listener.bind(("", port))
    listener.settimeout(10)
    with listener:
        yield listener


def write_checksums_at(host, device):
    """The kernel completes what leaves by the device, which could have done it itself."""
    value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP16x", device.encode(), ctypes.addressof(value))
    with host.entered(), socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, request)


def drop_port(host):
    """As an administrator does: UDP to port 9."""
    host.run(
        *"nft add table inet admin; add chain inet admin forward "
        "{ type filter hook forward priority 0; }; "
        "add rule inet admin forward udp dport 9 counter drop".split()
    )


def test_a_checksum_does_not_change_what_leaves(broker, host, outside, attach):
    """Neither a port that the administrator drops, nor another source than there is."""
    rogue = attach()
    write_checksums_at(host, UPLINK)
    drop_port(host)
    gateway = bridge_mac(host)
    with receiver(outside, 9) as dropped, receiver(outside, 1000) as passed:

        def send(port, value, gateway=gateway):
            datagram = frame.udp(1000, port, NOTE)
            packet = frame.ipv4("192.168.105.7", SERVER_IPV4, 17, datagram)
            data = own_frame(rogue, gateway, 0x0800, packet)
            frame.write_completed(rogue.tap_fds[0], data, 36, value)

        send(1, 1000)
        assert passed.recv(100).startswith(NOTE[:-2])
        send(1, 9)
        send(1, 1000)
        assert passed.recv(100).startswith(NOTE[:-2])
        # The bridge takes frames for its port's address for its own, too.
        send(1, 9, frame.mac_bytes(host.device(rogue.name)["address"]))
        send(1, 1000)
        assert passed.recv(100).startswith(NOTE[:-2])
        dropped.settimeout(0.1)
        with pytest.raises(TimeoutError):
            dropped.recv(100)
    rules = host.run("nft", "list", "table", "inet", "admin").stdout
    host.run("nft", "delete", "table", "inet", "admin")
    assert "counter packets 1 " in rules


def test_a_checksum_does_not_change_what_leaves_in_fragments(host, outside, attach):
    """The host makes these of a frame that is too long, and completes the checksum first."""
    rogue = attach()
    drop_port(host)
    with receiver(outside, 9) as dropped, receiver(outside, 1000) as passed:
        for port in 9, 1000:
            datagram = frame.udp(1000, 1, NOTE + bytes(20000))
            packet = frame.ipv4("192.168.105.7", SERVER_IPV4, 17, datagram, fragment=0)
            data = own_frame(rogue, bridge_mac(host), 0x0800, packet)
            frame.write_completed(rogue.tap_fds[0], data, 36, port)
        assert passed.recv(70000).startswith(NOTE)
        dropped.settimeout(0.1)
        with pytest.raises(TimeoutError):
            dropped.recv(70000)
    host.run("nft", "delete", "table", "inet", "admin")


@pytest.mark.parametrize("version", [4, 6])
def test_honest_checksums_are_completed(host, outside, attach, version):
    """Of small packets that leave, as Linux sends them from a device with offloads."""
    machine = attach()
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with receiver(outside, 1000, family) as passed:
        datagram = frame.udp(1000, 1000, NOTE)
        if version == 4:
            packet = frame.ipv4("192.168.105.7", SERVER_IPV4, 17, datagram)
        else:
            packet = frame.ipv6(GATEWAY_IPV6[:-1] + "7", SERVER_IPV6, 17, datagram)
        start = len(packet) - len(datagram)
        partial = frame.pseudo_sum(packet, 17, len(datagram))
        packet = packet[: start + 6] + struct.pack("!H", partial) + packet[start + 8 :]
        data = own_frame(machine, bridge_mac(host), 0x86DD if version == 6 else 0x0800, packet)
        frame.write(machine.tap_fds[0], data, 14 + start, 6)
        assert passed.recv(100) == NOTE


def write_segment(sender, destination, start):
    """60,000 bytes of TCP, for the host to cut; their checksum begins where it says."""
    tcp = struct.pack("!HHIIBBHHH", 1000, 1000, 0, 0, 0x50, 0x10, 1000, 0, 0)
    packet = frame.ipv4("192.168.105.7", "192.168.105.8", 6, tcp + NOTE + bytes(60000))
    header = struct.pack("<BBHHHH", 1, 1, 54, 1460, start, 16)
    os.write(sender.tap_fds[0], header + own_frame(sender, destination, 0x0800, packet))


def test_the_kernel_looks_where_the_checksums_of_segments_are(attach):
    rogue, victim = attach(), attach()
    mac = frame.mac_bytes(victim.mac_address)
    frame.read_all(victim.tap_fds[0])
    write_segment(rogue, mac, 20)
    assert not got(victim)
    write_segment(rogue, mac, 34)
    assert got(victim)


def send_from(host, device, destination, payload=NOTE):
    """A frame of the host's own, by one of its devices."""
    with host.entered():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        source = bridge_mac(host, device)
    with sender:
        sender.bind((device, 0))
        sender.send(frame.ethernet(destination, source, 0x88B5, payload.ljust(46, b"\0")))


def got(attachment, seconds=0.3):
    return any(NOTE in each for each in frame.read_all(attachment.tap_fds[0], seconds))


def test_a_full_memory_of_the_bridge_floods_nothing(host, attach):
    rogue = attach()
    gateway = bridge_mac(host)
    for number in range(66000):
        source = b"\x02\0" + struct.pack("!I", number)
        frame.write(rogue.tap_fds[0], frame.ethernet(gateway, source, 0x8035, b""))
    victim = attach()
    frame.read_all(rogue.tap_fds[0])
    send_from(host, "vmb-lab", frame.mac_bytes(victim.mac_address))
    assert got(victim)
    assert not got(rogue)


def test_nobody_takes_a_neighbours_address(host, attach):
    """By sending from it."""
    rogue, victim = attach(), attach()
    mac = frame.mac_bytes(victim.mac_address)
    arp = frame.arp_reply(mac, "192.168.105.9")
    frame.write(rogue.tap_fds[0], frame.ethernet(frame.BROADCAST, mac, 0x0806, arp))
    frame.wait_for_frame(victim.tap_fds[0], lambda each: each[12:14] == b"\x08\x06")
    frame.read_all(rogue.tap_fds[0])
    send_from(host, "vmb-lab", mac)
    assert got(victim)
    assert not got(rogue)


def set_address(attachment, mac):
    request = struct.pack("16sH6s8x", attachment.name.encode(), ARPHRD_ETHER, mac)
    fcntl.ioctl(attachment.tap_fds[0], SIOCSIFHWADDR, request)


def test_a_device_keeps_its_address(broker, host, attach):
    rogue, victim = attach(), attach()
    mac = frame.mac_bytes(victim.mac_address)
    before = host.device(rogue.name)["address"]
    set_address(rogue, mac)
    broker.wait_for_log(f"interface {rogue.name} was cut off, and is joined again")
    wait_for(lambda: host.device(rogue.name)["address"] == before)

    def is_found():
        send_from(host, "vmb-lab", mac)
        return got(victim)

    wait_for(is_found, what="a frame for the victim")
    frame.read_all(rogue.tap_fds[0])
    send_from(host, "vmb-lab", mac)
    assert got(victim)
    assert not got(rogue)


def test_the_log_is_not_flooded_by_addresses(broker, host, attach):
    rogues = [attach() for _ in range(15)]
    for rogue in rogues:
        set_address(rogue, b"\x02\0\0\0\0\1")
    wait_for(lambda: all(host.device(each.name)["address"].startswith("fe:") for each in rogues))
    assert 0 < broker.log().count("was cut off") <= 10


def test_who_does_not_leave_the_address_alone_is_removed(broker, host, attach):
    rogue, victim = attach(), attach()
    mac = frame.mac_bytes(victim.mac_address)

    def is_removed():
        with contextlib.suppress(OSError):
            set_address(rogue, mac)
        return rogue.name not in host.links()

    wait_for(is_removed, what="the end of the device")
    broker.wait_for_log(f"interface {rogue.name} is removed: its program changes")
    wait_for(lambda: len(broker.inspect("lab")["interfaces"]) == 1)
    send_from(host, "vmb-lab", mac)
    assert got(victim)


@pytest.fixture
def office(host):
    host.ip("link add br0 type bridge stp_state 1")
    host.run("sysctl", "-qw", "net.ipv6.conf.br0.disable_ipv6=1")
    host.ip("link add port0 type veth peer name port1")
    host.ip("link set port0 addrgenmode none master br0 up")
    host.ip("link set br0 up")


def test_the_hosts_bridge_keeps_its_address(office, broker, host, attach):
    rogue = attach("office")
    before = host.device("br0")["address"]
    set_address(rogue, b"\x02\0\0\0\0\1")
    broker.wait_for_log(f"interface {rogue.name} was cut off, and is joined again")
    wait_for(lambda: host.device("br0")["address"] == before)
    assert host.device(rogue.name)["address"].startswith("fe:")


def test_a_machine_is_no_part_of_the_spanning_tree(office, host, attach):
    rogue = attach("office")
    root = "0000.020000000001"
    bpdu = "0000 00 00 00" + root.replace(".", "") + "00000000" + root.replace(".", "")
    bpdu = bytes.fromhex(bpdu + "8001 0000 1400 0200 0f00")
    payload = bytes.fromhex("424203") + bpdu
    group = bytes.fromhex("0180c2000000")
    before = host.run("cat", "/sys/class/net/br0/bridge/root_id").stdout
    data = group + frame.mac_bytes(rogue.mac_address) + struct.pack("!H", len(payload)) + payload
    for _ in range(3):
        frame.write(rogue.tap_fds[0], data.ljust(60, b"\0"))
    assert host.run("cat", "/sys/class/net/br0/bridge/root_id").stdout == before


def test_what_nobody_reads_takes_little_memory(host, broker, attach):
    """Segments of 64 KiB for machines that are stopped."""
    sender = attach()
    readers = [attach(queues=queues) for queues in (1, 1, 4)]
    lengths = [host.device(reader.name)["txqlen"] for reader in readers]
    assert lengths == [128, 128, 32]
    for reader in readers:
        fcntl.ioctl(reader.tap_fds[0], TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4)
        for _ in range(1000):
            write_segment(sender, frame.mac_bytes(reader.mac_address), 34)
        frames = [
            each for fd in reader.tap_fds for each in frame.read_all(fd, 0.1) if len(each) > 60000
        ]
        assert 0 < len(frames) <= 128
    assert broker.is_running()


def test_the_frames_of_many_interfaces_share_their_room(host, attach):
    for _ in range(64):
        last = attach()
    assert host.device(last.name)["txqlen"] == 64


@pytest.mark.parametrize("restarted", [False, True])
def test_who_opens_more_queues_than_asked_for_loses_the_device(broker, host, restarted):
    """Each queue holds as many frames, and the kernel lets its user make 256."""
    client = broker.client(uid=1001)
    client.acquire("lab")
    name = client.attach("lab", queues=2, openByName=True).name
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE
    with contextlib.ExitStack() as stack:

        def open_queue():
            stack.callback(os.close, open_tap(host, name, 1001, flags))

        open_queue()
        open_queue()
        if restarted:
            broker.restart()
        assert len(broker.inspect("lab")["interfaces"]) == 1
        open_queue()
        broker.wait_for_log(f"interface {name} is removed: its program opened more queues than it")
        wait_for(lambda: name not in host.links())


@pytest.mark.broker(config={"lab": {"mode": "host", "max_interfaces": 1000}})
def test_frames_of_many_devices_are_refused(broker):
    """With several queues a device takes more than a user's others leave to each."""
    client = broker.client(uid=1001)
    client.acquire("lab")
    for _ in range(1000):
        try:
            client.attach("lab", queues=16, openByName=True)
        except VarlinkError as caught:
            error = caught
            break
    assert error.parameters["limit"] == "frames_per_user"
    assert error.parameters["value"] == 25600
    assert "user 1001" in error.parameters["reason"]
    other = broker.client(uid=1002)
    other.acquire("lab")
    other.attach("lab").close()
    other.close()
    client.close()
    broker.wait_until_clean(timeout=120)


def test_an_interface_stays_its_users(broker, host):
    """Whatever the device says after a restart: another user's next one is that user's first."""
    client = broker.client(uid=1001)
    client.acquire("lab")
    with contextlib.ExitStack() as stack:
        for _ in range(64):
            attachment = stack.enter_context(client.attach("lab"))
            fcntl.ioctl(attachment.tap_fds[0], TUNSETOWNER, 1002)
        broker.restart()
        other = broker.client(uid=1002)
        other.acquire("lab")
        with other.attach("lab") as attachment:
            assert host.device(attachment.name)["txqlen"] == 128
        client = broker.client(uid=1001)
        client.acquire("lab")
        with client.attach("lab") as attachment:
            assert host.device(attachment.name)["txqlen"] == 63


def test_devices_of_an_older_broker(broker, host, attach):
    """What it did not know of is done when they are taken over."""
    attachment = attach()
    mac = attachment.mac_address
    broker.kill()
    host.run("ip", "link", "set", attachment.name, "alias", f"vmnet-broker lab {mac}")
    host.run("tc", "qdisc", "delete", "dev", attachment.name, "clsact")
    host.run("tc", "qdisc", "add", "dev", attachment.name, "ingress")
    host.run("bridge", "fdb", "delete", mac, "dev", attachment.name, "master")
    host.ip("link delete vmc-lab")
    broker.start()

    def is_done():
        filters = host.run("tc", "filter", "show", "dev", attachment.name, "ingress").stdout
        known = host.run("bridge", "fdb", "show", "dev", attachment.name).stdout
        return "Redirect to device vmc-lab" in filters and f"{mac} sticky" in known

    wait_for(is_done, what="what an older broker did not do")
    assert len(broker.inspect("lab")["interfaces"]) == 1


def test_udev_leaves_every_device_its_address(broker):
    """It sets those that the kernel chose, or tries to."""
    client = broker.client()
    client.acquire("lab")
    with client.attach("lab"):
        made = [name for name in broker.host.links() if name.startswith("vm")]
        assert len(made) == 3
        for name in made:
            path = f"/sys/class/net/{name}/addr_assign_type"
            assert broker.host.run("cat", path).stdout == "3\n", name  # NET_ADDR_SET
