/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions: how a daemon tells launchd that it is in use. */
#include <stdio.h>

#include "double.h"

static unsigned int transactions;

unsigned int transactions_open(void)
{
	return transactions;
}

static void write_transactions(void)
{
	FILE *file = fopen(world_path("transactions"), "we");

	if (!file || fprintf(file, "%u\n", transactions) < 0 || fclose(file) != 0)
		broken("double: transactions");
}

void xpc_transaction_begin(void)
{
	lock();
	transactions++;
	write_transactions();
	unlock();
}

void xpc_transaction_end(void)
{
	lock();
	if (transactions == 0)
		misuse("xpc_transaction_end: without a transaction");
	transactions--;
	write_transactions();
	unlock();
}
