// SPDX-License-Identifier: Apache-2.0
//
// Networks of the broker for Swift: one call, or a hold that can be closed. No
// more than that: listing networks, events and the rest are the calls of C,
// which this module exports, too.

@_exported import CVmnetBroker
import Foundation
import XPC

/// Acquires a network for the rest of the process's life.
///
/// - Parameter name: the network's name or one of its aliases.
/// - Returns: the serialization, for `vmnet_network_create_with_serialization()`.
/// - Throws: `VmnetBrokerError`.
public func acquireNetwork(named name: String) throws -> xpc_object_t {
    var status = VMNET_BROKER_SUCCESS

    guard let serialization = vmnet_broker_acquire_network(name, &status) else {
        throw VmnetBrokerError(status)
    }
    return serialization
}

/// What a call failed with.
public struct VmnetBrokerError: LocalizedError, CustomStringConvertible, Equatable, Sendable {
    /// The statuses of `vmnet-broker.h`, which says when each of them comes.
    public enum Code: UInt32, CaseIterable, Sendable {
        case xpcFailure = 1
        case invalidReply = 2
        case notAllowed = 3
        case invalidRequest = 4
        case notFound = 5
        case createFailure = 6
        case internalError = 7
    }

    public let code: Code

    /// One sentence for people, without a full stop.
    public let description: String

    public var errorDescription: String? { description }

    public init(code: Code, description: String) {
        self.code = code
        self.description = description
    }

    /// A status of a call of C, which is not `VMNET_BROKER_SUCCESS`.
    init(_ status: vmnet_broker_return_t) {
        self.init(status, String(cString: vmnet_broker_strerror(status)))
    }

    /// The same of the last call on a connection, which has more to say.
    init(_ status: vmnet_broker_return_t, on broker: OpaquePointer) {
        self.init(status, String(cString: vmnet_broker_error(broker)))
    }

    private init(_ status: vmnet_broker_return_t, _ description: String) {
        self.init(code: Code(rawValue: status.rawValue) ?? .invalidReply, description: description)
    }
}

/// A hold on a network, by a connection of its own. It lasts until `close()`, or
/// until nobody refers to it any more: keep it for as long as the machine runs.
///
/// Its methods may be called on any thread; `serialization()` waits for the
/// broker, so not on that of the machine.
public final class Hold: @unchecked Sendable {
    /// The network's own name, also where it was acquired by an alias.
    public let name: String
    public let mode: vmnet_broker_mode
    /// CIDR, "192.168.64.0/24".
    public let ipv4Subnet: String?
    /// The host's own address on it.
    public let ipv4Gateway: String?
    /// CIDR.
    public let ipv6Prefix: String?
    /// Bytes of payload in the largest frame.
    public let mtu: UInt32

    private let lock = NSLock()
    private var broker: OpaquePointer?

    /// Acquires a network, and returns when it is usable.
    ///
    /// - Parameter name: the network's name or one of its aliases.
    /// - Throws: `VmnetBrokerError`.
    public init(network name: String) throws {
        var status = VMNET_BROKER_SUCCESS
        var acquired: UnsafeMutablePointer<vmnet_broker_network>?

        guard let broker = vmnet_broker_connect(&status) else {
            throw VmnetBrokerError(status)
        }
        status = vmnet_broker_acquire(broker, name, &acquired)
        guard status == VMNET_BROKER_SUCCESS, let network = acquired else {
            let error = VmnetBrokerError(status, on: broker)
            vmnet_broker_close(broker)
            throw error
        }
        self.broker = broker
        self.name = String(cString: network.pointee.name)
        mode = network.pointee.mode
        ipv4Subnet = network.pointee.ipv4_subnet.map { String(cString: $0) }
        ipv4Gateway = network.pointee.ipv4_gateway.map { String(cString: $0) }
        ipv6Prefix = network.pointee.ipv6_prefix.map { String(cString: $0) }
        mtu = network.pointee.mtu
        vmnet_broker_network_free(network)
    }

    deinit {
        vmnet_broker_close(broker)
    }

    /// What the network is made of in this process, by
    /// `vmnet_network_create_with_serialization()`.
    ///
    /// A broker that has gone meanwhile is found again, and the network acquired
    /// again: call this when a machine has lost its network, and give it a new
    /// attachment.
    ///
    /// - Throws: `VmnetBrokerError`; `.invalidRequest` after `close()`.
    public func serialization() throws -> xpc_object_t {
        var status = VMNET_BROKER_SUCCESS

        lock.lock()
        defer { lock.unlock() }
        guard let broker else {
            throw VmnetBrokerError(
                code: .invalidRequest,
                description: "the hold on network \"\(name)\" is closed; acquire it again")
        }
        guard let serialization = vmnet_broker_network_serialization(broker, name, &status) else {
            throw VmnetBrokerError(status, on: broker)
        }
        return serialization
    }

    /// Gives the hold back. To close it again is no error.
    public func close() {
        lock.lock()
        defer { lock.unlock() }
        vmnet_broker_close(broker)
        broker = nil
    }
}
