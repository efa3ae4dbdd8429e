/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Folders of a test's own. */
#ifndef TESTS_UTIL_SCRATCH_H
#define TESTS_UTIL_SCRATCH_H

/* @dir and what is below it; links are not followed. 0 or -1 with errno. */
int scratch_remove(const char *dir);

#endif
