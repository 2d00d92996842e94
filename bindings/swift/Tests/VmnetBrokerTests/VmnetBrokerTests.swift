// SPDX-License-Identifier: Apache-2.0
//
// The package, as a program uses it: the first tests by themselves, the others
// with a broker that nobody has configured.

import VmnetBroker
import XCTest
import XPC

final class VmnetBrokerTests: XCTestCase {
    private func code(_ body: () throws -> Void) -> VmnetBrokerError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? VmnetBrokerError)?.code
        }
    }

    private func acquire(_ name: String) throws -> Hold {
        do {
            return try Hold(network: name)
        } catch let error as VmnetBrokerError where error.code == .xpcFailure {
            throw XCTSkip("no broker is installed: \(error)")
        }
    }

    // By themselves

    func testEachCodeIsAStatus() {
        XCTAssertEqual(VmnetBrokerError.Code.allCases.count, 7)
        XCTAssertEqual(VmnetBrokerError.Code.xpcFailure.rawValue, VMNET_BROKER_XPC_FAILURE.rawValue)
        XCTAssertEqual(
            VmnetBrokerError.Code.internalError.rawValue, VMNET_BROKER_INTERNAL_ERROR.rawValue)
    }

    func testWhatIsNoNameIsRefusedWithoutABroker() {
        XCTAssertEqual(code { _ = try acquireNetwork(named: "no name") }, .invalidRequest)
    }

    func testProgramsHaveTheCallsOfC() {
        var status = VMNET_BROKER_SUCCESS

        XCTAssertNil(vmnet_broker_acquire_network("no name", &status))
        XCTAssertEqual(status, VMNET_BROKER_INVALID_REQUEST)
        XCTAssertEqual(String(cString: vmnet_broker_strerror(VMNET_BROKER_SUCCESS)), "success")
    }

    func testAnErrorIsASentence() {
        let error = VmnetBrokerError(code: .notFound, description: "no network")

        XCTAssertEqual(error.localizedDescription, "no network")
        XCTAssertEqual("\(error)", "no network")
    }

    // With a broker

    func testAHeldNetwork() throws {
        let hold = try acquire("shared")

        XCTAssertEqual(hold.name, "default")
        XCTAssertEqual(hold.mode, .shared)
        XCTAssertNotNil(hold.ipv4Subnet)
        XCTAssertNotNil(hold.ipv4Gateway)
        XCTAssertEqual(xpc_get_type(try hold.serialization()), XPC_TYPE_DICTIONARY)
    }

    func testTwoHoldsAreOnOneNetwork() throws {
        let one = try acquire("shared")
        let two = try acquire("default")

        XCTAssertEqual(one.ipv4Subnet, two.ipv4Subnet)
        one.close()
        XCTAssertNoThrow(try two.serialization())
    }

    func testAClosedHoldHasNoNetwork() throws {
        let hold = try acquire("shared")

        hold.close()
        hold.close()
        XCTAssertEqual(code { _ = try hold.serialization() }, .invalidRequest)
    }

    func testANetworkThatIsNotConfigured() throws {
        try acquire("shared").close()
        XCTAssertEqual(code { _ = try Hold(network: "nosuch") }, .notFound)
        XCTAssertEqual(code { _ = try acquireNetwork(named: "nosuch") }, .notFound)
    }

    func testTheOneCall() throws {
        try acquire("shared").close()
        XCTAssertEqual(xpc_get_type(try acquireNetwork(named: "shared")), XPC_TYPE_DICTIONARY)
    }
}
