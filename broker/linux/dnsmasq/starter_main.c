/* SPDX-License-Identifier: Apache-2.0 */
/* main() of the service that starts dnsmasq; systemd's, and nobody else's to run. */
#include "broker/linux/linux.h"
#include "starter.h"

/* Unused here: whom dnsmasq runs as is who runs this. */
struct linux_platform linux_platform;

int main(void)
{
	return starter_run();
}
