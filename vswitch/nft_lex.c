/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/nft_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/vswitch.h"

#define PUNCTUATION "{},&()"

static bool is_raw_payload(const char *p)
{
	return p[0] == '@' && p[1] && p[2] && p[3] == ',' && isdigit((unsigned char)p[4]);
}

/* The length of the word at @p, 0: none can begin like this. */
static size_t word_length(const char *p)
{
	size_t len = 0;
	bool is_raw = is_raw_payload(p);

	if (strchr(PUNCTUATION, *p))
		return 1;
	if (strchr("!=<>", *p))
		return p[1] == '=' ? 2 : 1;
	for (; p[len]; len++) {
		unsigned char c = (unsigned char)p[len];

		if (!isalnum(c) && !strchr("._:/*@-[]%", c) && !(is_raw && c == ','))
			break;
	}
	return len;
}

int nft_lex(const char *text, struct nft_lex *lex, char *why)
{
	char *out = lex->arena;
	const char *p = text, *end;
	size_t len;

	lex->nr = lex->pos = 0;
	if (strlen(text) > NFT_RULE_LEN) {
		snprintf(why, VS_TEXT_LEN,
			 "longer than %d characters: use named sets, several rules", NFT_RULE_LEN);
		return -EINVAL;
	}
	for (p += strspn(p, " \t"); *p; p += strspn(p, " \t")) {
		struct nft_word *w = &lex->words[lex->nr];

		w->is_quoted = *p == '"';
		w->at = (uint16_t)(p - text);
		w->text = out;
		end = w->is_quoted ? strchr(p + 1, '"') : p;
		len = w->is_quoted && end ? (size_t)(end - p - 1) : word_length(p);
		if (!end || (!w->is_quoted && !len) || lex->nr == NFT_WORDS_MAX) {
			snprintf(why, VS_TEXT_LEN, "column %u: %s", w->at + 1u,
				 lex->nr == NFT_WORDS_MAX ? "too many words"
				 : !end			  ? "the quote is not closed"
							  : "not a character of a rule");
			return -EINVAL;
		}
		memcpy(out, p + w->is_quoted, len);
		out[len] = '\0';
		out += len + 1;
		p += len + (w->is_quoted ? 2 : 0);
		lex->nr++;
	}
	lex->words[lex->nr] = (struct nft_word){ .text = "",
						 .at = (uint16_t)(p - text),
						 .is_quoted = false };
	return 0;
}

const char *nft_peek(const struct nft_lex *lex)
{
	return lex->words[lex->pos].text;
}

bool nft_take(struct nft_lex *lex, const char *word)
{
	const struct nft_word *w = &lex->words[lex->pos];

	if (lex->pos == lex->nr || w->is_quoted || strcmp(w->text, word) != 0)
		return false;
	lex->pos++;
	return true;
}

size_t nft_words_match(const struct nft_lex *lex, const char *words)
{
	size_t n = 0;

	for (;;) {
		size_t len = strcspn(words, " ");
		const struct nft_word *w = &lex->words[lex->pos + n];

		if (lex->pos + n >= lex->nr || w->is_quoted || strlen(w->text) != len ||
		    strncmp(w->text, words, len) != 0)
			return 0;
		n++;
		if (!words[len])
			return n;
		words += len + 1;
	}
}
