/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a file that a domain was saved to: a config, or why there is none. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hv/tool_saved.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("saved", MFD_CLOEXEC);
	const char *why = NULL;
	json_t *config = NULL;
	int rc;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET))
		abort();
	rc = saved_read(fd, &config, &why);
	if ((rc == 0) != (config != NULL) || (rc != 0) != (why != NULL))
		abort();
	json_decref(config);
	close(fd);
	return 0;
}
