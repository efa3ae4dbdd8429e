/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unpacking in one go, into a buffer that is large enough or the data are refused: no decoder has to keep a
 * window of its own, except xz's.
 */
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "hv/builder/builder_priv.h"

#define XZ_MEMORY     (UINT64_C(512) << 20) /* Linux packs with dictionaries of up to 128 MiB */
#define LZ4_MAGIC     0x184c2102u
#define LZ4_BLOCK_MAX (8u << 20)
#define TRAILER	      4u

static int unpack_gzip(const uint8_t *data, size_t size, bool trailer, uint8_t *out, size_t limit,
		       size_t *size_out)
{
	z_stream z = { 0 };
	int r, rc;

	(void)trailer;
	if (size > UINT_MAX || limit > UINT_MAX)
		return -ENOSPC;
	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return -ENOMEM;
	z.next_in = (z_const Bytef *)data;
	z.avail_in = (uInt)size;
	z.next_out = out;
	z.avail_out = (uInt)limit;
	r = inflate(&z, Z_FINISH);
	if (r == Z_STREAM_END)
		rc = 0;
	else if (r == Z_MEM_ERROR)
		rc = -ENOMEM;
	else if ((r == Z_BUF_ERROR || r == Z_OK) && !z.avail_out)
		rc = -ENOSPC;
	else if ((r == Z_BUF_ERROR || r == Z_OK) && !z.avail_in)
		rc = -ENODATA;
	else
		rc = -EILSEQ;
	*size_out = limit - z.avail_out;
	inflateEnd(&z);
	return rc;
}

static int unpack_xz(const uint8_t *data, size_t size, bool trailer, uint8_t *out, size_t limit,
		     size_t *size_out)
{
	lzma_stream x = LZMA_STREAM_INIT;
	lzma_ret r;
	int rc;

	(void)trailer; /* the stream knows its end */
	if (lzma_stream_decoder(&x, XZ_MEMORY, 0) != LZMA_OK)
		return -ENOMEM;
	x.next_in = data;
	x.avail_in = size;
	x.next_out = out;
	x.avail_out = limit;
	do {
		r = lzma_code(&x, LZMA_FINISH);
	} while (r == LZMA_OK);
	if (r == LZMA_STREAM_END)
		rc = 0;
	else if (r == LZMA_MEM_ERROR || r == LZMA_MEMLIMIT_ERROR)
		rc = -ENOMEM;
	else if (r == LZMA_BUF_ERROR)
		rc = x.avail_out ? -ENODATA : -ENOSPC;
	else
		rc = -EILSEQ;
	*size_out = limit - x.avail_out;
	lzma_end(&x);
	return rc;
}

static int zstd_errno(size_t r)
{
	switch (ZSTD_getErrorCode(r)) {
	case ZSTD_error_memory_allocation:
		return -ENOMEM;
	case ZSTD_error_dstSize_tooSmall:
		return -ENOSPC;
	case ZSTD_error_srcSize_wrong:
		return -ENODATA;
	default:
		return -EILSEQ;
	}
}

static int unpack_zstd(const uint8_t *data, size_t size, bool trailer, uint8_t *out, size_t limit,
		       size_t *size_out)
{
	size_t frame = ZSTD_findFrameCompressedSize(data, size);
	size_t r;

	(void)trailer;
	if (ZSTD_isError(frame))
		return zstd_errno(frame);
	r = ZSTD_decompress(out, limit, data, frame);
	if (ZSTD_isError(r))
		return zstd_errno(r);
	*size_out = r;
	return 0;
}

/* Frames of lz4's "legacy" format: a magic, then blocks with their packed sizes before them. */
static int unpack_lz4(const uint8_t *data, size_t size, bool trailer, uint8_t *out, size_t limit,
		      size_t *size_out)
{
	size_t at = sizeof(uint32_t), done = 0;
	size_t end = trailer ? size - TRAILER : size;
	uint32_t block;
	int room, n;

	while (at < end) {
		if (end - at < sizeof(block))
			return -ENODATA;
		memcpy(&block, data + at, sizeof(block));
		block = le32toh(block);
		at += sizeof(block);
		if (block == LZ4_MAGIC)
			continue;
		if (!block || block > (uint32_t)LZ4_COMPRESSBOUND(LZ4_BLOCK_MAX))
			return -EILSEQ;
		if (block > end - at)
			return -ENODATA;
		room = (int)(limit - done < LZ4_BLOCK_MAX ? limit - done : LZ4_BLOCK_MAX);
		n = LZ4_decompress_safe((const char *)data + at, (char *)out + done, (int)block,
					room);
		if (n < 0)
			return room < (int)LZ4_BLOCK_MAX ? -ENOSPC : -EILSEQ;
		at += block;
		done += (size_t)n;
	}
	*size_out = done;
	return 0;
}

static const struct format {
	const char *name;
	uint8_t magic[6];
	uint8_t magic_size;
	int (*unpack)(const uint8_t *data, size_t size, bool trailer, uint8_t *out, size_t limit,
		      size_t *size_out); /* NULL: not here */
} formats[] = {
	{ "gzip", { 0x1f, 0x8b }, 2, unpack_gzip },
	{ "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, unpack_xz },
	{ "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, unpack_zstd },
	{ "lz4", { 0x02, 0x21, 0x4c, 0x18 }, 4, unpack_lz4 },
	{ "bzip2", { 'B', 'Z', 'h' }, 3, NULL },
	{ "lzma", { 0x5d, 0, 0 }, 3, NULL },
	{ "lzo", { 0x89, 'L', 'Z', 'O' }, 4, NULL },
};

static const struct format *find_format(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (size >= formats[i].magic_size &&
		    !memcmp(data, formats[i].magic, formats[i].magic_size))
			return &formats[i];
	return NULL;
}

const char *unpack_format(const uint8_t *data, size_t size)
{
	const struct format *format = find_format(data, size);

	return format ? format->name : NULL;
}

int unpack(const uint8_t *data, size_t size, bool trailer, uint8_t *out, size_t limit,
	   size_t *size_out)
{
	const struct format *format = find_format(data, size);

	*size_out = 0;
	if (!format || !format->unpack)
		return -EOPNOTSUPP;
	return format->unpack(data, size, trailer, out, limit, size_out);
}
