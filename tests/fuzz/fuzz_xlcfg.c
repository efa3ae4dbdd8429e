/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an xl.cfg: an answer, a config or located errors, and nothing leaks. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "hv/xlcfg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diags diags = { 0 };
	json_t *config = NULL;
	int rc = xlcfg_parse("fuzz", (const char *)data, size, NULL, 0, &diags, &config);

	if ((rc == 0) != (config != NULL) || (rc == -EINVAL && !diags.nr_errors))
		abort();
	json_decref(config);
	diags_fini(&diags);
	return 0;
}
