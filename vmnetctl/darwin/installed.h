/* SPDX-License-Identifier: Apache-2.0 */
/* Where the installer puts what the broker is made of. */
#ifndef VMNET_VMNETCTL_DARWIN_INSTALLED_H
#define VMNET_VMNETCTL_DARWIN_INSTALLED_H

#define SERVICE_PLIST "/Library/LaunchDaemons/com.github.nirs.vmnet-broker.plist"
#define BROKER_PROGRAM "/Library/Application Support/vmnet-broker/vmnet-broker"
#define BROKER_LOG "/Library/Logs/vmnet-broker/vmnet-broker.log"

#endif
