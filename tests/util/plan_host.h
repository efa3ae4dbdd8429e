/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host for tests of plans: a model of a system, what is wanted of it, and the plan in between. */
#ifndef TESTS_UTIL_PLAN_HOST_H
#define TESTS_UTIL_PLAN_HOST_H

#include "vswitch/fake.h"

struct plan_host {
	struct vs_fake *fake;
	struct vs_wanted wanted;
	struct vs_record record;
	struct diags ds;
	struct vs_plan plan;
	char *before; /* vs_observed_text(), where a test has taken it */
};

/* With the hardware "eth0", and nothing wanted. */
struct plan_host *plan_host_open(void);
void plan_host_close(struct plan_host *h);
/* As cmocka has it, of *state. */
int plan_host_teardown(void **state);
/* What is there now is ->before. */
void plan_host_keep(struct plan_host *h);
/* As cmocka has it: plan_host_open(), and what is there is kept. */
int plan_host_setup(void **state);
/* Whether @line is part of the dump of what is there. */
bool plan_host_shows(const struct plan_host *h, const char *line);
struct vs_network *plan_host_want(struct plan_host *h, const char *name,
				  const struct vs_mode *mode);
void plan_host_want_subnet(struct vs_network *n, const char *prefix, int len, const char *gateway);
/* From what is there to what is wanted. Return: as vs_plan_make(). */
int plan_host_plan(struct plan_host *h);
/* And do all steps and keep the record, as a commit does: by way of its text. */
void plan_host_apply(struct plan_host *h);
/* All steps are undone, in reverse, and what was there before, where that is kept, is there again. */
void plan_host_undo(struct plan_host *h);

#endif
