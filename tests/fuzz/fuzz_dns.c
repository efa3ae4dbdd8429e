/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What DNS servers answer for names in address sets. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "policy/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct name_answer a;

	for (int k = 0; k < 2; k++) {
		name_read_answer(families[k], data, size, &a);
		if (a.nr > NAMES_ADDRS_MAX || (a.rc && a.nr))
			abort();
		for (int i = 0; i < a.nr; i++)
			if (!name_may_have(families[k], a.v[i]))
				abort();
	}
	return 0;
}
