/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned output: each column as wide as its widest cell, two spaces between them. */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "terminal.h"
#include "text.h"
#include "vmnetctl.h"

#define GAP "  "

void table_start(struct table *table, size_t n_columns)
{
	*table = (struct table){ .n_columns = n_columns };
}

void table_cut(struct table *table, size_t column, size_t minimum)
{
	table->minimum[column] = minimum;
}

void table_leave_out(struct table *table, size_t column)
{
	table->optional[column] = true;
}

void table_style(struct table *table, enum table_style style)
{
	table->style = style;
}

/* Takes a cell, which is NULL when memory was short. */
static void add(struct table *table, char *cell)
{
	struct table_cell *cells = NULL;

	if (cell)
		cells = array_grow(table->cells, table->n_cells, sizeof(*cells));
	if (!cells) {
		free(cell);
		table->out_of_memory = true;
		return;
	}
	cells[table->n_cells++] = (struct table_cell){ cell, table->style };
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
		size_t columns = text_write(NULL, table->cells[i].text, "");

		if (columns > width)
			width = columns;
	}
	return width;
}

/* Columns of width 0 are left out. */
static size_t line_width(const struct table *table, const size_t *widths)
{
	size_t width = 0;

	for (size_t column = 0; column < table->n_columns; column++)
		if (widths[column] > 0)
			width += widths[column] + (width > 0 ? strlen(GAP) : 0);
	return width;
}

/* The widest of those that may be cut still, or n_columns. */
static size_t widest(const struct table *table, const size_t *widths)
{
	size_t found = table->n_columns;

	for (size_t column = 0; column < table->n_columns; column++)
		if (table->minimum[column] > 0 && widths[column] > table->minimum[column] &&
		    (found == table->n_columns || widths[column] > widths[found]))
			found = column;
	return found;
}

/* Returns whether there was one. */
static bool leave_one_out(const struct table *table, size_t *widths)
{
	for (size_t column = table->n_columns; column-- > 0;) {
		if (!table->optional[column] || widths[column] == 0)
			continue;
		widths[column] = 0;
		return true;
	}
	return false;
}

static void cut_to(const struct table *table, size_t *widths, size_t limit)
{
	size_t column;

	while (line_width(table, widths) > limit &&
	       (column = widest(table, widths)) < table->n_columns)
		widths[column]--;
}

static void fit(const struct table *table, size_t *widths, size_t limit)
{
	size_t left[TABLE_COLUMNS_MAX];

	memcpy(left, widths, sizeof(left));
	do {
		memcpy(widths, left, sizeof(left));
		cut_to(table, widths, limit);
	} while (line_width(table, widths) > limit && leave_one_out(table, left));
}

/* Returns the columns that it takes. */
static size_t write_cell(const struct table_cell *cell, size_t width, bool in_colour, FILE *stream)
{
	static const char *const sequences[] = {
		[TABLE_DIM] = "\033[2m",
		[TABLE_ALARMING] = "\033[31m",
	};
	const char *sequence = in_colour ? sequences[cell->style] : NULL;
	size_t columns;

	if (sequence)
		(void)fputs(sequence, stream);
	columns = text_write_cut(stream, cell->text, width);
	if (sequence)
		(void)fputs("\033[0m", stream);
	return columns;
}

static void write_row(const struct table *table, const struct table_cell *row, const size_t *widths,
		      bool in_colour, FILE *stream)
{
	size_t missing = 0; /* to the end of the last column */

	for (size_t column = 0; column < table->n_columns; column++) {
		if (widths[column] == 0)
			continue;
		(void)fprintf(stream, "%*s", (int)missing, "");
		missing = widths[column] + strlen(GAP) -
			  write_cell(&row[column], widths[column], in_colour, stream);
	}
	(void)fputc('\n', stream);
}

void table_clear(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i].text);
	free(table->cells);
	table_start(table, table->n_columns);
}

int table_write(struct table *table, FILE *stream)
{
	bool out_of_memory = table->out_of_memory, in_colour = terminal_has_colours();
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };

	for (size_t column = 0; column < table->n_columns; column++)
		widths[column] = column_width(table, column);
	fit(table, widths, terminal_columns());
	for (size_t i = 0; !out_of_memory && i < table->n_cells; i += table->n_columns)
		write_row(table, table->cells + i, widths, in_colour, stream);
	table_clear(table);
	if (!out_of_memory)
		return DONE;
	complain("out of memory");
	return FAILED;
}

int table_print(struct table *table)
{
	return table_write(table, stdout);
}
