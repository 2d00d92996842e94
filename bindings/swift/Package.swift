// swift-tools-version:5.9
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let package = Package(
    name: "VmnetBroker",
    // A program may run on less than it takes to have a broker: it gets an error then.
    platforms: [.macOS(.v11)],
    products: [
        .library(name: "VmnetBroker", targets: ["VmnetBroker"])
    ],
    targets: [
        // The client library itself: links to its sources, so that nothing has to be installed.
        .target(name: "CVmnetBroker", cSettings: [.headerSearchPath(".")]),
        .target(name: "VmnetBroker", dependencies: ["CVmnetBroker"]),
        .testTarget(name: "VmnetBrokerTests", dependencies: ["VmnetBroker"]),
    ],
    cLanguageStandard: .c17
)
