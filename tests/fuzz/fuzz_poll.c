/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/nb_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	nb_program_run(data, size);
	return 0;
}
