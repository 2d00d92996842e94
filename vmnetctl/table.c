/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned output: each column as wide as its widest cell, two spaces between them. */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "vmnetctl.h"

void table_start(struct table *table, size_t n_columns)
{
	*table = (struct table){ .n_columns = n_columns };
}

/* Takes a cell, which is NULL when memory was short. */
static void add(struct table *table, char *cell)
{
	char **cells = NULL;

	if (cell)
		cells = realloc(table->cells, (table->n_cells + 1) * sizeof(*cells));
	if (!cells) {
		free(cell);
		table->out_of_memory = true;
		return;
	}
	cells[table->n_cells++] = cell;
	table->cells = cells;
}

void table_text(struct table *table, const char *text)
{
	add(table, strdup(text ? text : "-"));
}

void table_format(struct table *table, const char *format, ...)
{
	va_list arguments;
	char *cell;

	va_start(arguments, format);
	if (vasprintf(&cell, format, arguments) < 0)
		cell = NULL;
	va_end(arguments);
	add(table, cell);
}

static size_t column_width(const struct table *table, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < table->n_cells; i += table->n_columns) {
		size_t columns = text_write(NULL, table->cells[i], "");

		if (columns > width)
			width = columns;
	}
	return width;
}

static void write_row(const struct table *table, char **row, const size_t *widths)
{
	for (size_t column = 0; column < table->n_columns; column++) {
		size_t width = text_write(stdout, row[column], "");

		if (column + 1 < table->n_columns)
			(void)printf("%*s", (int)(widths[column] - width + strlen("  ")), "");
	}
	(void)putchar('\n');
}

void table_clear(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	table_start(table, table->n_columns);
}

int table_print(struct table *table)
{
	bool out_of_memory = table->out_of_memory;
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };

	for (size_t column = 0; column < table->n_columns; column++)
		widths[column] = column_width(table, column);
	for (size_t i = 0; !out_of_memory && i < table->n_cells; i += table->n_columns)
		write_row(table, table->cells + i, widths);
	table_clear(table);
	if (!out_of_memory)
		return DONE;
	complain("out of memory");
	return FAILED;
}
