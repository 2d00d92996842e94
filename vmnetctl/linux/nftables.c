/* SPDX-License-Identifier: Apache-2.0 */
/* What nftables lists, for the broker's sources that doctor shares: in this very process. */
#include "host/nftables.h"

#include <nftables/libnftables.h>

json_t *nftables_list(const char *command)
{
	struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);
	json_t *list = NULL;

	if (!context)
		return NULL;
	nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_TERSE);
	if (nft_ctx_buffer_output(context) == 0 && nft_ctx_buffer_error(context) == 0 &&
	    nft_run_cmd_from_buffer(context, command) == 0)
		list = json_loads(nft_ctx_get_output_buffer(context), 0, NULL);
	nft_ctx_free(context);
	return list;
}
