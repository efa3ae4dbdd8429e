/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A system without a kernel, for tests: runs steps on a model, records them, fails on demand. */
#ifndef VSWITCH_FAKE_H
#define VSWITCH_FAKE_H

#include "vswitch/vswitch.h"

struct vs_fake {
	struct vs_system sys;
	struct vs_observed model;
	struct vs_op *ops; /* all that was asked for, in order */
	size_t nr_ops;
	size_t fail_at; /* this op, counted from 1, fails once with -EIO; 0: none */
	bool fail_on;	/* and so do all after it */
};

/* With the loopback link only. */
int vs_fake_open(struct vs_fake **fake_out);
/* A link of hardware, up. NULL: out of memory. Valid until the next is added. */
struct vs_link *vs_fake_add_link(struct vs_fake *fake, const char *name, const char *kind);
/* The whole model in one order whatever happened before: two equal texts are two equal states. */
char *vs_observed_text(const struct vs_observed *o);

#endif
