/* SPDX-License-Identifier: Apache-2.0 */
/* What has ended with its process goes from the double's registry, as it does on a Mac by itself. */
#include "../double/vmnet_double.h"

int main(void)
{
	int registry = registry_lock();

	registry_sweep();
	registry_unlock(registry);
	return 0;
}
