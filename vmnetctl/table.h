/* SPDX-License-Identifier: Apache-2.0 */
/* A table with aligned columns, for people. It is filled cell by cell, then printed. */
#ifndef VMNET_VMNETCTL_TABLE_H
#define VMNET_VMNETCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS_MAX 16

struct table {
	size_t n_columns; /* 1 to TABLE_COLUMNS_MAX */
	char **cells; /* row by row */
	size_t n_cells;
	bool out_of_memory; /* a cell is missing: table_print() fails */
};

/* An empty table; table_print() or table_clear() frees what is put into it. */
void table_start(struct table *table, size_t n_columns);

/* Adds the next cell of the row, or the first of a next row. NULL for text is shown as "-". */
void table_text(struct table *table, const char *text);
void table_format(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Empties it without printing. */
void table_clear(struct table *table);

/* Prints it on standard output and frees it. Returns DONE, or FAILED after complaining. */
int table_print(struct table *table);

#endif
