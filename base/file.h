/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>

/* write(2) until all @size bytes are out. Return: 0 or -errno; some may then have been written. */
int file_write_all(int fd, const void *data, size_t size);

#endif
