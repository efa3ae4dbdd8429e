/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growing arrays of structs: a pointer and a number, room for the next power of two. */
#ifndef VSWITCH_ARRAY_H
#define VSWITCH_ARRAY_H

#include <stdlib.h>
#include <string.h>

/* A zeroed element behind the last of *@v, counted in *@nr; NULL: out of memory, nothing changed.
 */
static inline void *array_add(void *v, size_t *nr, size_t size)
{
	void **array = v;
	void *grown;

	/* Zero or a power of two: full. */
	if (!(*nr & (*nr - 1))) {
		grown = reallocarray(*array, *nr ? *nr * 2 : 1, size);
		if (!grown)
			return NULL;
		*array = grown;
	}
	return memset((char *)*array + (*nr)++ * size, 0, size);
}

/* Take out element @i, keeping the order. */
static inline void array_remove(void *v, size_t *nr, size_t size, size_t i)
{
	char *at = (char *)v + i * size;

	(*nr)--;
	memmove(at, at + size, (*nr - i) * size);
	/* array_add() grows at powers of two; a shrunk array merely keeps its room. */
}

/* Copy @nr elements. Return: false when out of memory, *@to then NULL. */
static inline int array_copy(void *to, const void *from, size_t nr, size_t size)
{
	void **array = to;
	size_t room = 1;

	*array = NULL;
	if (!nr)
		return 1;
	while (room < nr)
		room *= 2;
	*array = reallocarray(NULL, room, size);
	if (*array)
		memcpy(*array, from, nr * size);
	return *array != NULL;
}

#endif
