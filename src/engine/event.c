/* SPDX-License-Identifier: MIT */
/*
 * News for the application. A source, embedded in a socket, is in the engine's queue at most once,
 * however many bits are raised on it; taking it out hands over the bits and forgets them. The bits
 * only say what is new: what holds now is asked of the socket (level-triggered state,
 * edge-triggered queue).
 */
#include "engine/engine.h"

#include "base/check.h"

void event_source_init(struct event_source *source)
{
	list_init(&source->node);
	source->news = 0;
}

void event_raise(struct engine *engine, struct event_source *source, unsigned bits)
{
	CHECK(bits <= UINT8_MAX);
	if (!source || bits == 0)
		return;
	source->news |= (uint8_t)bits;
	if (!list_is_linked(&source->node))
		list_push_back(&engine->events, &source->node);
}

void event_source_fini(struct event_source *source)
{
	list_remove(&source->node);
	source->news = 0;
}

struct event_source *event_take(struct engine *engine)
{
	struct list *node = list_pop_front(&engine->events);
	struct event_source *source;

	if (!node)
		return NULL;
	source = CONTAINER_OF(node, struct event_source, node);
	source->news = 0;
	return source;
}
