/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* write(2) until all @size bytes are out. Return: 0 or -errno; some may then have been written. */
int file_write_all(int fd, const void *data, size_t size);

/* Whether @path is one now; false also when nothing is there. QEMU takes it by another driver than a file. */
bool file_is_block_device(const char *path);

#endif
