/* SPDX-License-Identifier: Apache-2.0 */
/* Commands for libnftables, through one context. */
#include "nftables.h"

#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>

/*
 * Made once and kept: to close its socket waits until the kernel has freed
 * everything that was ever removed through it, 20 ms and more.
 */
static struct nft_ctx *get_context(void)
{
	static struct nft_ctx *context;

	if (context)
		return context;
	context = nft_ctx_new(NFT_CTX_DEFAULT);
	if (context && (nft_ctx_buffer_output(context) || nft_ctx_buffer_error(context))) {
		nft_ctx_free(context);
		context = NULL;
	}
	return context;
}

int nftables_run(char *text, struct error *error)
{
	struct nft_ctx *context = text ? get_context() : NULL;
	const char *reason = "out of memory";
	int result = -1;

	if (context) {
		result = nft_run_cmd_from_buffer(context, text);
		reason = nft_ctx_get_error_buffer(context);
	}
	free(text);
	if (!result)
		return 0;
	return error_set(error, ERROR_CREATE_FAILED, "nftables refused its rules: %.*s",
			 (int)strcspn(reason, "\n"), reason);
}

json_t *nftables_list(const char *command)
{
	struct nft_ctx *context = get_context();
	int result;

	if (!context)
		return NULL;
	nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_JSON);
	result = nft_run_cmd_from_buffer(context, command);
	nft_ctx_output_set_flags(context, 0);
	/* What a buffer holds is dropped when it is asked for. */
	(void)nft_ctx_get_error_buffer(context);
	return result ? NULL : json_loads(nft_ctx_get_output_buffer(context), 0, NULL);
}
