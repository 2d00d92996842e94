/* SPDX-License-Identifier: Apache-2.0 */
/* The end itself: a line in the log, and the process is over, with nothing undone. */
#include "shortage.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

void shortage_end(void)
{
	log_error(NULL, "out of memory, and the broker ends; the next one takes over");
	_exit(EXIT_FAILURE);
}

int shortage_check(int result)
{
	if (result == -ENOMEM)
		shortage_end();
	return result;
}
