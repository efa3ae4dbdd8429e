/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of a transaction: state and its file (apply_state.c), steps (apply.c), verification
 * (apply_verify.c), what a predecessor left (apply_recover.c). */
#ifndef POLICY_APPLY_PRIV_H
#define POLICY_APPLY_PRIV_H

#include "policy/apply.h"

/* apply_state.c */
void apply_state_fini(struct apply_state *s);
/* NULL: out of memory. */
json_t *apply_state_json(const struct vs_record *record, const char *file, const char *text,
			 json_int_t serial);
int apply_state_from_json(const json_t *json, struct apply_state *s);
int apply_state_save(struct apply *a, const json_t *state);
/* What cannot be read is no state. Return: 0; -ENOMEM. */
int apply_state_load(struct apply *a);

/*
 * apply.c: undo steps @nr-1 to 0, all of them whatever fails, and write into the open journal, if there is
 * one, how far it has come.
 * @todo: only those; NULL: all
 * @why: Of the first failure; "": none
 * Return: the first failure.
 */
int apply_undo(struct apply *a, const struct vs_step *steps, size_t nr, const bool *todo, char *why,
	       size_t size);
void apply_open_fini(struct apply_open *o);

/*
 * apply_verify.c: whether all that the steps touch is as it was before them. Vifs that have gone by
 * themselves are not missed. Return: 0; -EILSEQ with @why; -errno.
 */
int apply_verify(struct apply *a, const struct apply_open *o, char *why, size_t size);

#endif
