// SPDX-License-Identifier: MIT
/*
 * Failures in words, and the two alphabets of errors: the kernel's errno (links, descriptors, the
 * bridge's far end) and the stack's tee_error.
 */
#include <errno.h>
#include <stdio.h>

#include "host/host.h"

static const struct {
	int error, error_number;
} error_map[] = {
	{TEE_EAGAIN, EAGAIN},
	{TEE_EINPROGRESS, EINPROGRESS},
	{TEE_EALREADY, EALREADY},
	{TEE_EISCONN, EISCONN},
	{TEE_ENOTCONN, ENOTCONN},
	{TEE_ECONNREFUSED, ECONNREFUSED},
	{TEE_ECONNRESET, ECONNRESET},
	{TEE_ECONNABORTED, ECONNABORTED},
	{TEE_ETIMEDOUT, ETIMEDOUT},
	{TEE_EHOSTUNREACH, EHOSTUNREACH},
	{TEE_ENETUNREACH, ENETUNREACH},
	{TEE_ENOPROTOOPT, ENOPROTOOPT},
	{TEE_EADDRINUSE, EADDRINUSE},
	{TEE_EADDRNOTAVAIL, EADDRNOTAVAIL},
	{TEE_EAFNOSUPPORT, EAFNOSUPPORT},
	{TEE_EINVAL, EINVAL},
	{TEE_EPIPE, EPIPE},
	{TEE_EMSGSIZE, EMSGSIZE},
	{TEE_ENOMEM, ENOMEM},
	{TEE_ENOBUFS, ENOBUFS},
	{TEE_EDESTADDRREQ, EDESTADDRREQ},
	{TEE_EACCES, EACCES},
	{TEE_EOPNOTSUPP, EOPNOTSUPP},
	{TEE_EIO, EIO},
	{TEE_ENODEV, ENODEV},
	{TEE_ENOENT, ENOENT},
	{TEE_EPERM, EPERM},
	{TEE_EPROTO, EPROTO},
	{TEE_ECANCELED, ECANCELED},
	{TEE_ENETDOWN, ENETDOWN},
	{TEE_ENOBUFS, EMFILE},
	{TEE_ENOBUFS, ENFILE},
	{TEE_ENOBUFS, ENOSPC},
};

int host_error_of_errno(int error_number)
{
	for (size_t i = 0; i < sizeof(error_map) / sizeof(error_map[0]); i++)
		if (error_map[i].error_number == error_number)
			return error_map[i].error;
	return TEE_EIO;
}

int host_errno_of_error(int error)
{
	for (size_t i = 0; i < sizeof(error_map) / sizeof(error_map[0]); i++)
		if (error_map[i].error == error)
			return error_map[i].error_number;
	return EIO;
}

int host_error(char *ret_error, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret_error, TEE_HOST_ERROR_SIZE, format, args);
	va_end(args);
	return code;
}

int host_fail(struct tee_host *host, int code, const char *format, ...)
{
	va_list args;

	if (host->error_code)
		return host->error_code;
	va_start(args, format);
	vsnprintf(host->error, sizeof(host->error), format, args);
	va_end(args);
	host->error_code = code;
	host_announce(host);
	return code;
}
