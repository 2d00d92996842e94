/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody who misspelt a word most likely meant, for errors that say so. */
#ifndef VMNET_BASE_NEAREST_H
#define VMNET_BASE_NEAREST_H

#include <stddef.h>

/* The one of n words that a misspelt one most likely means, or NULL. */
const char *nearest_word(const char *misspelt, const char *const *words, size_t n);

#endif
