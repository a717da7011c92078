/*
 * envfile: the .env syntax.
 *
 * NAME=value lines; `export ` before the name is allowed; # begins a
 * comment at the start of a line or after white space behind an
 * unquoted value; 'single' quotes are literal, "double" quotes know
 * \n \r \t \\ \" \$; a quoted value may run over lines.  Nothing is
 * ever expanded.
 */
#ifndef BASE_ENVFILE_H
#define BASE_ENVFILE_H

#include <stddef.h>

/*
 * Calls each(arg, line, name, value) for every assignment; each returns
 * 0 to go on.  On a syntax error calls bad(arg, line, text) and goes on
 * with the next line.  Returns the number of errors.
 */
size_t	 envfile_parse(const char *text, size_t len,
	    int (*each)(void *, unsigned line, const char *name,
	    const char *value),
	    void (*bad)(void *, unsigned line, const char *what), void *);

#endif
