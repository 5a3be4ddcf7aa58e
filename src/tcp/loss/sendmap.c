/* SPDX-License-Identifier: MIT */
/*
 * The send map (see the header for what a record means and where it stands).
 *
 * Three structures hold the records. The tree by offset has them all. Beside it, a record is either
 * in the list by time (it is in the network, so RACK may find it lost), or in the tree `lost` (it
 * waits to be sent again) or in the tree `sacked`. record_leave() and record_enter() bracket every
 * change of flags, length or segment size: they take the record out of its place and its sums,
 * and put it back as it is then. So no sum can be forgotten, and nothing is a hint that might be
 * wrong: every question is answered by a search or by the end of a list.
 *
 * The list by time is kept in order by construction, since a record moves to its end when it is sent
 * or sent again and a split puts the right part next to the left one. Only sendmap_clear_lost()
 * brings records back in the middle; it sorts those and merges them from the front. An undo is as common as
 * overtaking packets are, and must not cost a walk over a map of thousands of records.
 *
 * Work: O(log n) for each record that is new, split or removed; a cumulative ACK or a SACK block
 * costs that for each record it tells news of and one search besides. SACKED neighbours are merged,
 * so that walking across what a block repeats is one step; what a merged record forgets (send times,
 * delivery snapshots) nobody asks of delivered data.
 */
#include "tcp/loss/sendmap.h"

#include <stdlib.h>
#include <string.h>
#include <teeceepee/types.h>
#include "base/check.h"
#include "tcp/loss/rate.h"

static struct send_record *record_of(struct rb_node *node)
{
	return node ? CONTAINER_OF(node, struct send_record, node) : NULL;
}

static uint64_t record_len(const struct send_record *record)
{
	return record->end - record->start;
}

static uint32_t segs_of(uint64_t len, uint32_t mss)
{
	return (uint32_t)((len + mss - 1) / mss);
}

static bool is_waiting(const struct send_record *record)
{
	return (record->flags & (SENT_LOST | SENT_RETRANS)) == SENT_LOST;
}

/* ---- a record's place and sums ---- */

static struct rb_tree *kind_tree(struct sendmap *map, const struct send_record *record)
{
	if (record->flags & SENT_SACKED)
		return &map->sacked;
	return is_waiting(record) ? &map->lost : NULL;
}

static void kind_insert(struct rb_tree *tree, struct send_record *record)
{
	struct rb_node **link = &tree->root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = record->start < send_record_of_kind(parent)->start ? &parent->left
									  : &parent->right;
	}
	rb_insert(tree, &record->by_kind, parent, link);
}

static void add_sums(struct sendmap *map, const struct send_record *record, int sign)
{
	uint64_t len = sign > 0 ? record_len(record) : 0 - record_len(record);
	uint32_t segs = sign > 0 ? record->segs : 0 - record->segs;

	map->segs += segs;
	if (record->flags & SENT_SACKED) {
		map->sacked_bytes += len;
		map->sacked_segs += segs;
	}
	if (record->flags & SENT_LOST) {
		map->lost_bytes += len;
		map->lost_segs += segs;
	}
	if (record->flags & SENT_RETRANS) {
		map->retrans_bytes += len;
		map->retrans_segs += segs;
	}
}

static void record_leave(struct sendmap *map, struct send_record *record)
{
	struct rb_tree *tree = kind_tree(map, record);

	if (tree)
		rb_remove(tree, &record->by_kind);
	else
		list_remove(&record->by_time);
	add_sums(map, record, -1);
}

/* `after`: where in the list by time, should that be the place. */
static void record_enter(struct sendmap *map, struct send_record *record, struct list *after)
{
	struct rb_tree *tree = kind_tree(map, record);

	if (tree)
		kind_insert(tree, record);
	else
		list_push_front(after, &record->by_time);
	add_sums(map, record, 1);
}

static void tree_insert(struct sendmap *map, struct send_record *record)
{
	struct rb_node **link = &map->tree.root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = record->start < record_of(parent)->start ? &parent->left : &parent->right;
	}
	rb_insert(&map->tree, &record->node, parent, link);
	map->record_count++;
}

/* Takes a record that has left its place out of the map for good. */
static void record_free(struct sendmap *map, struct send_record *record)
{
	rb_remove(&map->tree, &record->node);
	map->record_count--;
	free(record);
}

/* ---- life ---- */

void sendmap_init(struct sendmap *map, uint64_t una)
{
	memset(map, 0, sizeof(*map));
	list_init(&map->by_time);
	map->una = map->nxt = map->highest_sacked = map->judged = una;
}

void sendmap_fini(struct sendmap *map)
{
	struct rb_node *node;

	while ((node = rb_first(&map->tree)))
		record_free(map, record_of(node));
	sendmap_init(map, map->nxt);
}

/* ---- looking ---- */

struct send_record *sendmap_first(const struct sendmap *map)
{
	return record_of(rb_first(&map->tree));
}

struct send_record *sendmap_last(const struct sendmap *map)
{
	return record_of(rb_last(&map->tree));
}

struct send_record *sendmap_next(const struct send_record *record)
{
	return record_of(rb_next(&record->node));
}

struct send_record *sendmap_find(const struct sendmap *map, uint64_t off)
{
	struct rb_node *node = map->tree.root;

	while (node) {
		struct send_record *record = record_of(node);

		if (off < record->start)
			node = node->left;
		else if (off >= record->end)
			node = node->right;
		else
			return record;
	}
	return NULL;
}

struct send_record *sendmap_next_lost(struct sendmap *map)
{
	return send_record_of_kind(rb_first(&map->lost));
}

/* ---- sending ---- */

struct send_record *sendmap_sent(struct sendmap *map, uint64_t end, uint32_t mss, unsigned flags,
				 uint64_t now_ns)
{
	struct send_record *record;

	CHECK(end > map->nxt && mss > 0);
	/* Not calloc(), which takes the allocator's longer way. */
	record = malloc(sizeof(*record));
	if (!record)
		return NULL;
	*record = (struct send_record){
		.start = map->nxt,
		.end = end,
		.mss = mss,
		.segs = end - map->nxt <= mss ? 1 : segs_of(end - map->nxt, mss),
		.sent_at_ns = now_ns,
		.xmit_count = 1,
		.flags = (uint16_t)flags,
	};
	tree_insert(map, record);
	record_enter(map, record, map->by_time.prev);
	map->nxt = end;
	return record;
}

struct send_record *sendmap_split(struct sendmap *map, struct send_record *record, uint64_t at)
{
	struct send_record *right;

	CHECK(at > record->start && at < record->end);
	right = malloc(sizeof(*right));
	if (!right)
		return NULL;
	/* The list by time keeps the left part's place; the right part follows it. */
	add_sums(map, record, -1);
	*right = *record;
	right->start = at;
	right->segs = segs_of(record_len(right), right->mss);
	record->end = at;
	record->segs = segs_of(record_len(record), record->mss);
	record->flags &= (uint16_t)~SENT_FIN;
	add_sums(map, record, 1);
	tree_insert(map, right);
	record_enter(map, right, &record->by_time);
	return right;
}

struct send_record *sendmap_resent(struct sendmap *map, struct send_record *record, uint64_t len,
				   uint64_t now_ns)
{
	CHECK(!(record->flags & SENT_SACKED) && len > 0 && len <= record_len(record));
	if (len < record_len(record) && !sendmap_split(map, record, record->start + len))
		return NULL;
	record_leave(map, record);
	record->flags |= SENT_RETRANS | SENT_EVER_RETRANS;
	record->sent_at_ns = now_ns;
	if (record->xmit_count < UINT16_MAX)
		record->xmit_count++;
	record_enter(map, record, map->by_time.prev);
	return record;
}

void sendmap_unsend(struct sendmap *map, struct send_record *record)
{
	const struct send_record *sacked;

	CHECK(record->end == map->nxt);
	record_leave(map, record);
	map->nxt = record->start;
	record_free(map, record);
	/* A peer may have SACKED it all the same. */
	sacked = send_record_of_kind(rb_last(&map->sacked));
	map->highest_sacked = sacked ? sacked->end : map->una;
	map->judged = MIN(map->judged, map->nxt);
}

/* ---- what an ACK delivers ---- */

/* RFC 8985 6.2 step 2: sent later, and among equals the one that ends later. */
static bool is_later(uint64_t sent_at_ns, uint64_t end, uint64_t than_sent_at_ns, uint64_t than_end)
{
	return than_end == 0 || sent_at_ns > than_sent_at_ns ||
	       (sent_at_ns == than_sent_at_ns && end > than_end);
}

/* Data that was sent once only arrived below other data that the peer already held: reordering. */
static void note_reordering(struct ack_info *info, uint64_t start)
{
	if (start >= info->prior_highest_sacked)
		return;
	if (!info->sacked_never_retrans || start < info->reordered_from)
		info->reordered_from = start;
	info->sacked_never_retrans = true;
}

/* [record->start, end) of a record reaches the peer for the first time that we know of. */
static void note_delivered(const struct send_record *record, uint64_t end, uint32_t segs,
			   struct ack_info *info)
{
	info->delivered_bytes += end - record->start;
	info->delivered_segs += segs;
	rate_on_delivered(&info->rate, record);
	if (is_later(record->sent_at_ns, end, info->rack_sent_at_ns, info->rack_end)) {
		info->rack_sent_at_ns = record->sent_at_ns;
		info->rack_end = end;
		info->rack_is_retrans = (record->flags & SENT_EVER_RETRANS) != 0;
	}
	info->rack_last_sent_at_ns = record->sent_at_ns;
	info->rack_last_is_retrans = (record->flags & SENT_EVER_RETRANS) != 0;
	if (record->flags & SENT_EVER_RETRANS) {
		info->acked_retrans = true;
		return;
	}
	if (record->flags & SENT_LOST)
		info->lost_arrived = true;
	info->rack_last_orig_sent_at_ns = record->sent_at_ns;
	if (is_later(record->sent_at_ns, end, info->rack_orig_sent_at_ns, info->rack_orig_end)) {
		info->rack_orig_sent_at_ns = record->sent_at_ns;
		info->rack_orig_end = end;
	}
	if (end > info->highest_acked_unretrans_end)
		info->highest_acked_unretrans_end = end;
	note_reordering(info, record->start);
}

static void ack_part(const struct send_record *record, uint64_t end, uint32_t segs,
		     struct ack_info *info)
{
	if (record->flags & SENT_SACKED)
		return;
	info->acked_bytes += end - record->start;
	note_delivered(record, end, segs, info);
	if (!info->first_acked_sent_at_ns)
		info->first_acked_sent_at_ns = record->sent_at_ns;
	info->last_acked_sent_at_ns = record->sent_at_ns;
	if (record->flags & SENT_EVER_RETRANS)
		info->cum_acked_retrans = true;
	else
		info->acked_original = true;
}

/* Cuts off what lies before `una`; the rest counts as many segments as it needs. */
static void trim_front(struct sendmap *map, struct send_record *record, uint64_t una,
		       struct ack_info *info)
{
	uint32_t left = MIN(segs_of(record->end - una, record->mss), record->segs);

	ack_part(record, una, record->segs - left, info);
	/* Order by offset isn't disturbed: the new start still lies before the next record's. */
	add_sums(map, record, -1);
	record->start = una;
	record->segs = left;
	add_sums(map, record, 1);
}

void sendmap_ack(struct sendmap *map, uint64_t una, struct ack_info *info)
{
	struct send_record *record;

	CHECK(una > map->una && una <= map->nxt);
	info->cum_acked_bytes += una - map->una;
	info->una_after = una;
	while ((record = sendmap_first(map)) && record->end <= una) {
		ack_part(record, record->end, record->segs, info);
		if (record->flags & SENT_FIN)
			info->acked_fin = true;
		record_leave(map, record);
		record_free(map, record);
	}
	if (record && record->start < una)
		trim_front(map, record, una, info);
	/*
	 * RFC 6298 section 3, Karn: what was sent twice is ambiguous, and what lay behind it was
	 * acknowledged when the hole was filled, not when it came.
	 */
	if (info->cum_acked_retrans)
		info->first_acked_sent_at_ns = info->last_acked_sent_at_ns = 0;
	map->una = una;
	map->highest_sacked = MAX(map->highest_sacked, una);
	map->judged = MAX(map->judged, una);
}

/* Joins a SACKED record with the one that follows it, should that be SACKED too. */
static struct send_record *merge_next(struct sendmap *map, struct send_record *record)
{
	struct send_record *next = sendmap_next(record);

	if (!next || !(next->flags & record->flags & SENT_SACKED))
		return record;
	record_leave(map, next);
	add_sums(map, record, -1);
	record->end = next->end;
	record->segs += next->segs;
	record->flags |= next->flags & (SENT_EVER_RETRANS | SENT_FIN);
	add_sums(map, record, 1);
	record_free(map, next);
	return record;
}

/* The whole record is SACKED now. Returns the record that it has become a part of. */
static struct send_record *sack_record(struct sendmap *map, struct send_record *record,
				       struct ack_info *info)
{
	struct rb_node *prev;

	info->sacked_bytes += record_len(record);
	note_delivered(record, record->end, record->segs, info);
	/* Send times serve as RTT samples; the first record is the oldest by offset. */
	if (!(record->flags & SENT_EVER_RETRANS)) {
		if (!info->first_sacked_sent_at_ns)
			info->first_sacked_sent_at_ns = record->sent_at_ns;
		info->last_sacked_sent_at_ns = record->sent_at_ns;
	}
	record_leave(map, record);
	record->flags &= (uint16_t) ~(SENT_LOST | SENT_RETRANS);
	record->flags |= SENT_SACKED;
	record_enter(map, record, NULL);
	map->highest_sacked = MAX(map->highest_sacked, record->end);
	merge_next(map, record);
	prev = rb_prev(&record->node);
	if (prev && record_of(prev)->flags & SENT_SACKED)
		return merge_next(map, record_of(prev));
	return record;
}

/*
 * Isolates the part of a record that lies in [start, end), at segment boundaries or before the FIN:
 * *ret_record is that part or NULL when no whole segment is inside.
 */
static int isolate(struct sendmap *map, struct send_record *record, uint64_t start, uint64_t end,
		   struct send_record **ret_record)
{
	uint64_t from = record->start, to = record->end;

	*ret_record = NULL;
	if (start > from)
		from += (start - from + record->mss - 1) / record->mss * record->mss;
	/* A peer may hold the last text and not count the FIN that came with it. */
	if (record->flags & SENT_FIN && end == to - 1)
		to = end;
	if (end < to)
		to = end - (end - record->start) % record->mss;
	if (from >= to)
		return 0;
	if (to < record->end && !sendmap_split(map, record, to))
		return -TEE_ENOMEM;
	if (from > record->start) {
		record = sendmap_split(map, record, from);
		if (!record)
			return -TEE_ENOMEM;
	}
	*ret_record = record;
	return 0;
}

int sendmap_sack(struct sendmap *map, uint64_t start, uint64_t end, struct ack_info *info)
{
	struct send_record *record = sendmap_find(map, start);
	int result = 0;

	CHECK(start >= map->una && start < end && end <= map->nxt);
	while (record && record->start < end) {
		uint64_t record_end = record->end;
		struct send_record *part = NULL;

		if (!(record->flags & SENT_SACKED)) {
			int failed = isolate(map, record, start, end, &part);

			if (failed < 0)
				result = failed;
			if (part)
				record = sack_record(map, part, info);
		}
		/* What was left unmarked on the right of a part need not be looked at again. */
		record = record->end < record_end ? sendmap_find(map, record_end)
						  : sendmap_next(record);
	}
	return result;
}

/* ---- losses ---- */

bool sendmap_mark_lost(struct sendmap *map, struct send_record *record)
{
	if (record->flags & SENT_SACKED || is_waiting(record))
		return false;
	record_leave(map, record);
	record->flags |= SENT_LOST;
	record->flags &= (uint16_t)~SENT_RETRANS;
	record_enter(map, record, NULL);
	return true;
}

uint64_t sendmap_mark_all_lost(struct sendmap *map, bool reneged)
{
	uint64_t bytes = 0;

	for (struct send_record *record = sendmap_first(map); record;
	     record = sendmap_next(record)) {
		if (reneged && record->flags & SENT_SACKED) {
			record_leave(map, record);
			record->flags &= (uint16_t)~SENT_SACKED;
			record->flags |= SENT_LOST;
			record->segs = segs_of(record_len(record), record->mss);
			record_enter(map, record, NULL);
			bytes += record_len(record);
		} else if (sendmap_mark_lost(map, record)) {
			bytes += record_len(record);
		}
	}
	if (reneged)
		map->highest_sacked = map->una;
	map->judged = map->una;
	return bytes;
}

static bool time_order(const struct list *a, const struct list *b)
{
	const struct send_record *left = send_record_of_time((struct list *)a);
	const struct send_record *right = send_record_of_time((struct list *)b);

	return left->sent_at_ns < right->sent_at_ns ||
	       (left->sent_at_ns == right->sent_at_ns && left->start <= right->start);
}

/* Moves the smaller of two heads to the end of `to`, until both lists are empty. */
static void merge_lists(struct list *to, struct list *a, struct list *b)
{
	while (!list_is_empty(a) || !list_is_empty(b)) {
		struct list *from = a;

		if (list_is_empty(a) || (!list_is_empty(b) && !time_order(a->next, b->next)))
			from = b;
		list_push_back(to, list_pop_front(from));
	}
}

/* Bottom-up merge sort: bin i holds a sorted run of 2^i nodes, or none. */
static void sort_by_time(struct list *list)
{
	struct list bins[32], run, *node;

	for (size_t i = 0; i < ARRAY_LEN(bins); i++)
		list_init(&bins[i]);
	list_init(&run);
	while ((node = list_pop_front(list))) {
		size_t i = 0;

		list_push_back(&run, node);
		for (; i < ARRAY_LEN(bins) - 1 && !list_is_empty(&bins[i]); i++) {
			struct list merged;

			list_init(&merged);
			merge_lists(&merged, &bins[i], &run);
			while ((node = list_pop_front(&merged)))
				list_push_back(&run, node);
		}
		while ((node = list_pop_front(&run)))
			list_push_back(&bins[i], node);
	}
	for (size_t i = 0; i < ARRAY_LEN(bins); i++) {
		merge_lists(&run, list, &bins[i]);
		while ((node = list_pop_front(&run)))
			list_push_back(list, node);
	}
}

/*
 * Puts the nodes of `back`, which is in order, among those of the list. What is lost was sent before nearly all
 * that isn't, so that the walk ends soon.
 */
static void merge_back(struct sendmap *map, struct list *back)
{
	struct list *at = map->by_time.next, *node;

	while ((node = list_pop_front(back))) {
		while (at != &map->by_time && time_order(at, node))
			at = at->next;
		list_push_back(at, node); /* before `at` */
	}
}

void sendmap_clear_lost(struct sendmap *map)
{
	struct send_record *record;
	struct list back;

	if (map->lost_bytes == 0)
		return;
	list_init(&back);
	while ((record = sendmap_next_lost(map))) {
		record_leave(map, record);
		record->flags &= (uint16_t)~SENT_LOST;
		list_push_back(&back, &record->by_time);
		add_sums(map, record, 1);
	}
	/* What was sent again keeps its place. */
	for (record = sendmap_first(map); map->lost_bytes > 0; record = sendmap_next(record)) {
		if (!(record->flags & SENT_LOST))
			continue;
		add_sums(map, record, -1);
		record->flags &= (uint16_t)~SENT_LOST;
		add_sums(map, record, 1);
	}
	sort_by_time(&back);
	merge_back(map, &back);
	map->judged = map->una;
}

/* ---- invariants ---- */

static void check_record(const struct sendmap *map, const struct send_record *record)
{
	unsigned flags = record->flags;

	CHECK(record->start < record->end);
	CHECK(record->segs > 0 && record->mss > 0 && record->xmit_count > 0);
	CHECK(!(flags & SENT_SACKED) || !(flags & (SENT_LOST | SENT_RETRANS)));
	CHECK(!(flags & SENT_RETRANS) || flags & SENT_EVER_RETRANS);
	CHECK(!(flags & SENT_SACKED) || record->end <= map->highest_sacked);
	if (!(flags & SENT_SACKED))
		CHECK(record->segs == segs_of(record_len(record), record->mss));
}

static size_t check_times(const struct sendmap *map)
{
	uint64_t before_ns = 0;
	size_t count = 0;

	LIST_FOR_EACH(node, &map->by_time)
	{
		const struct send_record *record = send_record_of_time(node);

		CHECK(!(record->flags & SENT_SACKED) && !is_waiting(record));
		CHECK(record->sent_at_ns >= before_ns);
		before_ns = record->sent_at_ns;
		count++;
	}
	return count;
}

static size_t check_kind(const struct rb_tree *tree, bool sacked)
{
	uint64_t at = 0;

	for (struct rb_node *node = rb_first(tree); node; node = rb_next(node)) {
		const struct send_record *record = send_record_of_kind(node);

		CHECK(record->start >= at);
		CHECK(sacked ? (record->flags & SENT_SACKED) != 0 : is_waiting(record));
		at = record->end;
	}
	return rb_check(tree);
}

void sendmap_check(const struct sendmap *map)
{
	struct sendmap sums = {.una = map->una};
	uint64_t at = map->una;
	size_t count = 0;

	for (struct send_record *record = sendmap_first(map); record;
	     record = sendmap_next(record)) {
		CHECK(record->start == at);
		check_record(map, record);
		add_sums(&sums, record, 1);
		at = record->end;
		count++;
	}
	CHECK(at == map->nxt);
	CHECK(count == map->record_count && count == rb_check(&map->tree));
	CHECK(sums.sacked_bytes == map->sacked_bytes && sums.lost_bytes == map->lost_bytes &&
	      sums.retrans_bytes == map->retrans_bytes);
	CHECK(sums.segs == map->segs && sums.sacked_segs == map->sacked_segs &&
	      sums.lost_segs == map->lost_segs && sums.retrans_segs == map->retrans_segs);
	CHECK(map->highest_sacked >= map->una && map->highest_sacked <= map->nxt);
	CHECK(map->judged >= map->una && map->judged <= map->nxt);
	CHECK(map->sacked_bytes > 0 || map->highest_sacked == map->una);
	CHECK(check_times(map) + check_kind(&map->lost, false) + check_kind(&map->sacked, true) ==
	      count);
}
