/*
 * session: refresh, sign out, who am I; sign-in by password.
 */
#ifndef API_SESSION_H
#define API_SESSION_H

#include "api/call.h"

route_handler session_handle_refresh, session_handle_logout,
    session_handle_logout_all, session_handle_me,
    session_handle_check_username, session_handle_password;

#endif
