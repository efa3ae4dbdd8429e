/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files that make QEMU's command line. */
#ifndef HV_HVM_ARGS_PRIV_H
#define HV_HVM_ARGS_PRIV_H

#include "hv/hvm/hvm_args.h"

struct hvm_builder {
	const json_t *config;
	const struct hvm_host *host;
	struct hvm_args *args;
	bool paused;
	char *why;
	int rc;			/* the first error sticks */
	unsigned int next_boot; /* bootindex */
};

const char *hvm_text(const json_t *object, const char *key, const char *fallback);
/* @min to @max, else refused; @fallback when it is not there. */
unsigned int hvm_number(struct hvm_builder *b, const json_t *object, const char *key,
			unsigned int min, unsigned int max, unsigned int fallback);
bool hvm_flag(struct hvm_builder *b, const char *key, bool fallback);
/* A member that is a string or an array of them. @i from 0. NULL: no more. */
const char *hvm_word(const struct hvm_builder *b, const char *key, size_t i);

void hvm_refuse(struct hvm_builder *b, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* An option and its value; or a value alone, @option NULL. */
void hvm_put(struct hvm_builder *b, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int hvm_take_fd(struct hvm_builder *b);
int hvm_put_file(struct hvm_builder *b, const char *key, const char *path, bool writable,
		 bool copy);

void hvm_put_disks(struct hvm_builder *b);
void hvm_put_nics(struct hvm_builder *b);
void hvm_put_display(struct hvm_builder *b);
/* ",bootindex=N" for a device of boot='s letter @letter, else "". @unit: of how many before it. */
const char *hvm_boot(struct hvm_builder *b, char letter, char text[32]);

#endif
