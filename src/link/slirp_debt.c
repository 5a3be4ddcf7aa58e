/* SPDX-License-Identifier: MIT */
/*
 * libslirp acknowledges what it has only buffered, and has no call that tells how much that is. It does tell
 * people, in the table of slirp_connection_info(): a row a socket, the last two numbers of which are
 * what is to be written to the host's socket and what is to be sent to us.
 *
 *     Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
 *     TCP[ESTABLISHED]   12  10.0.2.15      40000  10.0.2.2        8098  5000     0
 *
 * A libslirp that words its table otherwise shows as one without debts: then closing doesn't wait.
 */
#include <stdlib.h>
#include <string.h>
#include "link/slirp_debt.h"

bool slirp_debt_in_table(char *table)
{
	char *rest = table, *row;
	bool owes = false;

	while ((row = strsep(&rest, "\n")) != NULL) {
		char *number = strrchr(row, ' ');

		if (strncmp(row, "  TCP[", 6) != 0 || !number)
			continue;
		/* Back over the padding of the last number, to the start of the one before. */
		while (number > row && *number == ' ')
			number--;
		while (number > row && *number != ' ')
			number--;
		owes |= strtoul(number, NULL, 10) > 0;
	}
	return owes;
}

bool slirp_debt_exists(Slirp *slirp)
{
	char *table = slirp_connection_info(slirp);
	bool owes = slirp_debt_in_table(table);

	free(table);
	return owes;
}
