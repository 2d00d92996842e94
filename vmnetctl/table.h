/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table with aligned columns, for people. It is filled cell by cell, then printed: on a terminal
 * so that its lines fit, if there are columns that may give way.
 */
#ifndef VMNET_VMNETCTL_TABLE_H
#define VMNET_VMNETCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

/* How what is printed on a terminal with colours looks. */
enum table_style {
	TABLE_PLAIN,
	TABLE_DIM,
	TABLE_ALARMING
};

struct table_cell {
	char *text;
	enum table_style style;
};

struct table {
	size_t n_columns; /* 1 to TABLE_COLUMNS_MAX */
	struct table_cell *cells; /* row by row */
	size_t n_cells;
	enum table_style style; /* of the cells that are added */
	size_t minimum[TABLE_COLUMNS_MAX]; /* 0: the column is not cut */
	bool optional[TABLE_COLUMNS_MAX];
	bool out_of_memory; /* a cell is missing: table_print() fails */
};

/* An empty table; what prints or clears it frees what is put into it. */
void table_start(struct table *table, size_t n_columns);

/*
 * Lets cells of a column be cut where lines do not fit: the widest such column first, and none to
 * less than minimum columns of the terminal.
 */
void table_cut(struct table *table, size_t column, size_t minimum);

/* Lets a column be left out when cutting is not enough: the last such one first. */
void table_leave_out(struct table *table, size_t column);

/* Adds the next cell of the row, or the first of a next row. NULL for text is shown as "-". */
void table_text(struct table *table, const char *text);
void table_format(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The style of what is added from here on. */
void table_style(struct table *table, enum table_style style);

/* Empties it without printing. */
void table_clear(struct table *table);

/* Writes it for standard output, and frees it. Returns DONE, or FAILED after complaining. */
int table_write(struct table *table, FILE *stream);

/* The same on standard output itself. */
int table_print(struct table *table);

#endif
