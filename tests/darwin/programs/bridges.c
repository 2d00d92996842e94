/* SPDX-License-Identifier: Apache-2.0 */
/* Has what ended with its process go from the double's registry, as on a Mac it does by itself. */
#include "../double/vmnet_double.h"

int main(void)
{
	int registry = registry_lock();

	registry_sweep();
	registry_unlock(registry);
	return 0;
}
