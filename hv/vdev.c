/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/vdev.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

#define EXTENDED	(1u << 28)
#define XVD_MAJOR	202u
#define HD_MAJOR_FIRST	3u
#define HD_MAJOR_SECOND 22u
#define SD_MAJOR	8u
#define DISKS_EXTENDED	(1u << 20)

/* "a" is 0, "z" 25, "aa" 26. Return: characters read; 0: none, or too many. */
static size_t read_letters(const char *text, uint32_t max, uint32_t *disk)
{
	uint64_t n = 0;
	size_t len = 0;

	for (; islower((unsigned char)text[len]); len++) {
		n = n * 26 + (uint64_t)(text[len] - 'a') + 1;
		if (n > (uint64_t)max + 1)
			return 0;
	}
	*disk = (uint32_t)n - 1;
	return len;
}

/* "" is the whole disk. */
static bool read_partition(const char *text, uint32_t max, uint32_t *partition)
{
	*partition = 0;
	/* A partition 0 would be the disk by another name. */
	return !*text || (*text != '0' && !parse_u32(text, max, partition));
}

static uint32_t xvd_number(uint32_t disk, uint32_t partition)
{
	return disk < 16 && partition < 16 ? XVD_MAJOR << 8 | disk << 4 | partition
					   : EXTENDED | disk << 8 | partition;
}

static uint32_t hd_number(uint32_t disk, uint32_t partition)
{
	return (disk < 2 ? HD_MAJOR_FIRST : HD_MAJOR_SECOND) << 8 | (disk & 1) << 6 | partition;
}

static uint32_t sd_number(uint32_t disk, uint32_t partition)
{
	return SD_MAJOR << 8 | disk << 4 | partition;
}

static const struct family {
	const char *prefix;
	uint32_t disk_max, partition_max;
	uint32_t (*number)(uint32_t disk, uint32_t partition);
} families[] = {
	{ "xvd", DISKS_EXTENDED - 1, 255, xvd_number },
	{ "hd", 3, 63, hd_number },
	{ "sd", 15, 15, sd_number },
};

/* "d0", "d0p1". */
static int parse_plain(const char *name, uint32_t *devid_out)
{
	char disk_text[12] = "";
	uint32_t disk, partition;
	size_t len = strcspn(name + 1, "p");

	if (len >= sizeof(disk_text))
		return -EINVAL;
	memcpy(disk_text, name + 1, len);
	if (parse_u32(disk_text, DISKS_EXTENDED - 1, &disk))
		return -EINVAL;
	name += 1 + len;
	if (*name == 'p' && !name[1])
		return -EINVAL;
	/* "d0p0" is the disk, for once. */
	if (!strcmp(name, "p0"))
		name += 2;
	if (!read_partition(*name ? name + 1 : name, 255, &partition))
		return -EINVAL;
	*devid_out = xvd_number(disk, partition);
	return 0;
}

int vdev_parse(const char *name, uint32_t *devid_out)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const struct family *f = &families[i];
		size_t len = strlen(f->prefix), letters;
		uint32_t disk, partition;

		if (strncmp(name, f->prefix, len) != 0)
			continue;
		letters = read_letters(name + len, f->disk_max, &disk);
		if (!letters || !read_partition(name + len + letters, f->partition_max, &partition))
			return -EINVAL;
		*devid_out = f->number(disk, partition);
		return 0;
	}
	if (name[0] == 'd' && isdigit((unsigned char)name[1]))
		return parse_plain(name, devid_out);
	return parse_u32(name, VDEV_MAX, devid_out) ? -EINVAL : 0;
}
