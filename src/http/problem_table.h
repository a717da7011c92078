/*
 * The errors.  Included with PROBLEM() defined; no guard on purpose.
 *
 *	id, status, code, type, English, Chinese
 */
PROBLEM(BAD_REQUEST, 400, "bad_request", "invalid_request_error",
    "The request is not well formed.", "请求格式不正确。")
PROBLEM(BAD_JSON, 400, "invalid_json", "invalid_request_error",
    "The body is not valid JSON.", "请求体不是有效的 JSON。")
PROBLEM(BODY_LENGTH, 400, "body_incomplete", "invalid_request_error",
    "The body does not have the declared length.",
    "请求体与声明的长度不符。")
PROBLEM(INVALID_PATH, 400, "invalid_path", "invalid_request_error",
    "A value in the path has characters that are not allowed, or is too long.",
    "路径中的值包含不允许的字符或过长。")
PROBLEM(INVALID_STATE, 400, "invalid_state", "invalid_request_error",
    "This sign-in has expired or was already used. Please start again.",
    "此次登录已过期或已被使用，请重新开始。")
PROBLEM(PROVIDER_MISMATCH, 400, "provider_mismatch", "invalid_request_error",
    "The answer does not come from the provider that was asked. Please start again.",
    "响应并非来自所请求的登录提供方，请重新开始。")
PROBLEM(SIGNIN_DENIED, 400, "signin_denied", "invalid_request_error",
    "The provider did not sign you in.", "登录提供方未完成登录。")
PROBLEM(SIGNIN_FAILED, 502, "signin_failed", "api_error",
    "The sign-in provider did not give a usable answer. Please try again.",
    "登录提供方未返回有效结果，请重试。")
PROBLEM(SIGNIN_UNREACHABLE, 502, "provider_unreachable", "api_error",
    "The sign-in provider cannot be reached. Please try again.",
    "无法连接登录提供方，请重试。")
PROBLEM(UNAUTHORIZED, 401, "unauthorized", "authentication_error",
    "Please sign in: no bearer token was sent.", "请先登录：未提供访问令牌。")
PROBLEM(INVALID_TOKEN, 401, "invalid_token", "authentication_error",
    "The token is not valid. Please sign in again.", "令牌无效，请重新登录。")
PROBLEM(TOKEN_EXPIRED, 401, "token_expired", "authentication_error",
    "The token has expired. Please sign in again.", "令牌已过期，请重新登录。")
PROBLEM(TOKEN_REVOKED, 401, "token_revoked", "authentication_error",
    "This session was ended. Please sign in again.", "会话已结束，请重新登录。")
PROBLEM(INVALID_API_KEY, 401, "invalid_api_key", "authentication_error",
    "The API key is not valid.", "API 密钥无效。")
PROBLEM(API_KEY_DISABLED, 401, "api_key_disabled", "authentication_error",
    "The API key is switched off.", "API 密钥已被停用。")
PROBLEM(REFRESH_INVALID, 401, "refresh_token_invalid", "authentication_error",
    "The refresh token is not valid or has expired. Please sign in again.",
    "刷新令牌无效或已过期，请重新登录。")
PROBLEM(REFRESH_USED, 401, "refresh_token_used", "authentication_error",
    "The refresh token was already used. Please sign in again.",
    "刷新令牌已被使用，请重新登录。")
PROBLEM(BAD_PASSWORD, 401, "invalid_credentials", "authentication_error",
    "User name or password is wrong.", "用户名或密码错误。")
PROBLEM(USER_DISABLED, 403, "user_disabled", "permission_error",
    "This account is disabled.", "账号已被禁用。")
PROBLEM(SIGNUP_CLOSED, 403, "signup_closed", "permission_error",
    "New accounts are not being accepted.", "新账号创建功能已关闭，请联系管理员。")
PROBLEM(TRUST_LEVEL, 403, "trust_level_too_low", "permission_error",
    "Your trust level is too low to sign up here.", "信任等级不足，无法注册。")
PROBLEM(NOT_YOUR_ACCOUNT, 403, "not_your_account", "permission_error",
    "This account belongs to somebody else.", "无权访问此账号。")
PROBLEM(METRICS_FORBIDDEN, 403, "forbidden", "permission_error",
    "Not for this client.", "无权访问。")
PROBLEM(NOT_FOUND, 404, "not_found", "invalid_request_error",
    "There is nothing at this address.", "请求的资源不存在。")
PROBLEM(NO_SUCH_KEY, 404, "api_key_not_found", "invalid_request_error",
    "There is no such API key.", "API 密钥不存在。")
PROBLEM(NO_PROVIDER, 404, "provider_not_configured", "invalid_request_error",
    "This sign-in provider is not configured.", "该登录提供方未配置。")
PROBLEM(UPSTREAM_NOT_FOUND, 404, "upstream_not_found", "invalid_request_error",
    "The upstream does not know this object.", "上游不存在该对象。")
PROBLEM(METHOD, 405, "method_not_allowed", "invalid_request_error",
    "This method is not allowed here.", "不支持该请求方法。")
PROBLEM(STATE_NOT_YOURS, 409, "state_not_yours", "invalid_request_error",
    "This authorization was not started by you. Please start again.",
    "该授权不是由您发起的，请重新开始。")
PROBLEM(NO_ACCOUNT, 409, "no_account", "invalid_request_error",
    "There is no usable account. Please add one.", "没有可用的账号，请添加账号。")
PROBLEM(CONFLICT, 409, "conflict", "invalid_request_error",
    "The request conflicts with the present state.", "请求与当前状态冲突。")
PROBLEM(TOO_LARGE, 413, "body_too_large", "invalid_request_error",
    "The body is too large.", "请求体过大。")
PROBLEM(MEDIA_TYPE, 415, "unsupported_media_type", "invalid_request_error",
    "The body must be sent as application/json.",
    "请求体必须为 application/json。")
PROBLEM(VALIDATION, 422, "validation_error", "invalid_request_error",
    "The request has values that are not valid.", "请求参数校验失败。")
PROBLEM(RATE, 429, "rate_limited", "rate_limit_error",
    "Too many requests. Please slow down.", "请求过于频繁，请稍后再试。")
PROBLEM(CONCURRENCY, 429, "too_many_requests_at_once", "rate_limit_error",
    "Too many requests at the same time.", "同时进行的请求过多。")
PROBLEM(STREAMS, 429, "too_many_streams", "rate_limit_error",
    "Too many streams at the same time.", "同时进行的流式请求过多。")
PROBLEM(QUOTA, 429, "quota_exhausted", "insufficient_quota",
    "The quota is used up.", "配额已耗尽。")
PROBLEM(UPSTREAM_RATE, 429, "upstream_rate_limited", "rate_limit_error",
    "The upstream asks to slow down.", "上游请求过于频繁，请稍后再试。")
PROBLEM(INTERNAL, 500, "internal_error", "api_error",
    "Something went wrong here. The operator finds it under the request id.",
    "服务器内部错误，请将请求编号告知管理员。")
PROBLEM(UPSTREAM_ERROR, 502, "upstream_error", "api_error",
    "The upstream gave an answer that cannot be used.", "上游返回了无效响应。")
PROBLEM(UPSTREAM_REFUSED, 502, "upstream_refused", "api_error",
    "The upstream refused the request.", "上游拒绝了请求。")
PROBLEM(UPSTREAM_UNREACHABLE, 503, "upstream_unreachable", "api_error",
    "The upstream cannot be reached.", "无法连接上游服务。")
PROBLEM(UPSTREAM_UNAVAILABLE, 503, "upstream_unavailable", "api_error",
    "The upstream is not answering at present.", "上游服务暂不可用。")
PROBLEM(KEY_INVALID, 503, "upstream_key_invalid", "api_error",
    "Your upstream account is being repaired. Please try again shortly.",
    "您的上游账号正在修复，请稍后再试。")
PROBLEM(KEY_UNUSABLE, 503, "key_unusable", "api_error",
    "Your stored key cannot be used; the operator has been told.",
    "您的密钥无法使用，管理员已收到通知。")
PROBLEM(PENDING, 503, "registration_pending", "api_error",
    "Your account is still being opened. Please try again shortly.",
    "您的账号正在开通，请稍后再试。")
PROBLEM(DATABASE, 503, "database_unavailable", "api_error",
    "The database does not answer. Please try again shortly.",
    "数据库暂不可用，请稍后再试。")
PROBLEM(OVERLOADED, 503, "overloaded", "api_error",
    "The gateway is busy. Please try again shortly.", "网关繁忙，请稍后再试。")
PROBLEM(TIMEOUT, 504, "upstream_timeout", "api_error",
    "The upstream did not answer in time.", "上游响应超时。")
