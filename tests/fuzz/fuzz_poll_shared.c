/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As fuzz_poll.c, with netback's reads of guests' memory giving other bytes each time. */
#include "netback/shared.h"
#include "tests/util/nb_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void nb_shared_fuzz(void *to, const void *from, size_t size);

void nb_shared_fuzz(void *to, const void *from, size_t size)
{
	nb_program_shared(to, from, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nb_program_run(data, size);
	return 0;
}
