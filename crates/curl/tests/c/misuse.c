/*
 * Functions that are called with what they should not be: each answers by curl's codes, and nothing crashes.
 *
 * misuse URL
 */
#include "check.h"

static size_t swallow(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  (void)to;
  return size * count;
}

static void null_handles(void)
{
  char *text = NULL;
  long number;
  int running, left;
  EQUAL(curl_easy_setopt(NULL, CURLOPT_URL, "x"), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_perform(NULL), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_getinfo(NULL, CURLINFO_RESPONSE_CODE, &number), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_pause(NULL, CURLPAUSE_ALL), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_upkeep(NULL), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_recv(NULL, &number, 1, NULL), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_send(NULL, &number, 1, NULL), CURLE_BAD_FUNCTION_ARGUMENT);
  CHECK(curl_easy_duphandle(NULL) == NULL);
  curl_easy_reset(NULL);
  curl_easy_cleanup(NULL);
  EQUAL(curl_easy_header(NULL, "a", 0, CURLH_HEADER, -1, (struct curl_header **)&text), CURLHE_BAD_ARGUMENT);
  CHECK(curl_easy_nextheader(NULL, CURLH_HEADER, -1, NULL) == NULL);
  EQUAL(curl_multi_add_handle(NULL, NULL), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_remove_handle(NULL, NULL), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_perform(NULL, &running), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_socket_action(NULL, CURL_SOCKET_TIMEOUT, 0, &running), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_wait(NULL, NULL, 0, 0, &running), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_poll(NULL, NULL, 0, 0, &running), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_wakeup(NULL), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_fdset(NULL, NULL, NULL, NULL, &running), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_timeout(NULL, &number), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_assign(NULL, 0, NULL), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_setopt(NULL, CURLMOPT_MAXCONNECTS, 1L), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_cleanup(NULL), CURLM_BAD_HANDLE);
  CHECK(curl_multi_info_read(NULL, &left) == NULL);
  EQUAL(left, 0);
  EQUAL(curl_share_setopt(NULL, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE), CURLSHE_INVALID);
  EQUAL(curl_share_cleanup(NULL), CURLSHE_INVALID);
  EQUAL(curl_url_set(NULL, CURLUPART_URL, "http://a/", 0), CURLUE_BAD_HANDLE);
  EQUAL(curl_url_get(NULL, CURLUPART_URL, &text, 0), CURLUE_BAD_HANDLE);
  CHECK(curl_url_dup(NULL) == NULL);
  curl_url_cleanup(NULL);
  CHECK(curl_mime_addpart(NULL) == NULL);
  EQUAL(curl_mime_name(NULL, "a"), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_mime_data(NULL, "a", 1), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_mime_subparts(NULL, NULL), CURLE_BAD_FUNCTION_ARGUMENT);
  CHECK(curl_multi_strerror((CURLMcode)0x7fffffff) && curl_multi_strerror((CURLMcode)-0x7fffffff));
  CHECK(curl_easy_strerror((CURLcode)0x7fffffff) && curl_easy_strerror((CURLcode)-0x7fffffff));
  curl_mime_free(NULL);
  curl_slist_free_all(NULL);
  curl_formfree(NULL);
  curl_free(NULL);
  CHECK(curl_slist_append(NULL, NULL) == NULL);
  CHECK(curl_easy_escape(NULL, NULL, 0) == NULL);
  CHECK(curl_easy_unescape(NULL, NULL, 0, NULL) == NULL);
  CHECK(curl_easy_escape(NULL, "a", -1) == NULL);
  CHECK(curl_getenv(NULL) == NULL);
  EQUAL(curl_getdate(NULL, NULL), -1);
  EQUAL(curl_global_init_mem(0, NULL, NULL, NULL, NULL, NULL), CURLE_FAILED_INIT);
}

/* Handles that were, handles of another kind, and memory that is no handle. */
static void wrong_handles(void)
{
  CURL *easy = curl_easy_init();
  CURLM *multi = curl_multi_init();
  CURLSH *share = curl_share_init();
  CURLU *url = curl_url();
  size_t zeroed[8] = { 0 };
  int running;
  EQUAL(curl_easy_setopt(multi, CURLOPT_URL, "x"), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_perform(share), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_perform(zeroed), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_multi_perform(easy, &running), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_perform(zeroed, &running), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_add_handle(multi, NULL), CURLM_BAD_EASY_HANDLE);
  EQUAL(curl_multi_add_handle(multi, multi), CURLM_BAD_EASY_HANDLE);
  EQUAL(curl_multi_add_handle(multi, zeroed), CURLM_BAD_EASY_HANDLE);
  EQUAL(curl_multi_remove_handle(multi, zeroed), CURLM_BAD_EASY_HANDLE);
  EQUAL(curl_share_cleanup((CURLSH *)easy), CURLSHE_INVALID);
  EQUAL(curl_url_set((CURLU *)easy, CURLUPART_URL, "http://a/", 0), CURLUE_BAD_HANDLE);
  EQUAL(curl_easy_setopt(easy, CURLOPT_SHARE, multi), CURLE_BAD_FUNCTION_ARGUMENT);
  curl_easy_cleanup(multi);
  curl_easy_cleanup(easy);
  EQUAL(curl_easy_perform(easy), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_multi_add_handle(multi, easy), CURLM_BAD_EASY_HANDLE);
  curl_easy_cleanup(easy);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
  EQUAL(curl_multi_perform(multi, &running), CURLM_BAD_HANDLE);
  EQUAL(curl_multi_cleanup(multi), CURLM_BAD_HANDLE);
  EQUAL(curl_share_cleanup(share), CURLSHE_OK);
  EQUAL(curl_share_cleanup(share), CURLSHE_INVALID);
  curl_url_cleanup(url);
  CHECK(curl_url_dup(url) == NULL);
}

/* Options that are not there, and values that mean nothing. */
static void wrong_options(void)
{
  CURL *easy = curl_easy_init();
  CURLM *multi = curl_multi_init();
  char *text;
  EQUAL(curl_easy_setopt(easy, (CURLoption)9999, 1L), CURLE_UNKNOWN_OPTION);
  EQUAL(curl_easy_setopt(easy, (CURLoption)-1, 1L), CURLE_UNKNOWN_OPTION);
  EQUAL(curl_easy_setopt(easy, CURLOPT_FTPPORT, "-"), CURLE_UNKNOWN_OPTION);
  EQUAL(curl_easy_setopt(easy, CURLOPT_FTPPORT, NULL), CURLE_OK);
  EQUAL(curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L), CURLE_OK);
  EQUAL(curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 0L), CURLE_OK);
  EQUAL(curl_easy_setopt(easy, CURLOPT_TIMEOUT, -1L), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, -1L), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_setopt(easy, CURLOPT_PORT, 70000L), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, -2L), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_setopt(easy, CURLOPT_MAXREDIRS, -2L), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, 77L), CURLE_UNSUPPORTED_PROTOCOL);
  EQUAL(curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_NTLM), CURLE_NOT_BUILT_IN);
  EQUAL(curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_ANY), CURLE_OK);
  EQUAL(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "gopher"), CURLE_UNSUPPORTED_PROTOCOL);
  EQUAL(curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "DER"), CURLE_NOT_BUILT_IN);
  EQUAL(curl_easy_getinfo(easy, (CURLINFO)0x700001, &text), CURLE_UNKNOWN_OPTION);
  EQUAL(curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, NULL), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_multi_setopt(multi, (CURLMoption)9999, 1L), CURLM_UNKNOWN_OPTION);
  EQUAL(curl_multi_timeout(multi, NULL), CURLM_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_multi_wait(multi, NULL, 0, -1, NULL), CURLM_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_multi_assign(multi, 12345, NULL), CURLM_BAD_SOCKET);
  EQUAL(curl_easy_pause(easy, CURLPAUSE_ALL), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_easy_send(easy, &text, 1, NULL), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
  curl_easy_cleanup(easy);
}

static size_t wait_for_ever(char *data, size_t size, size_t count, void *to)
{
  (void)data, (void)size, (void)count, (void)to;
  return CURL_WRITEFUNC_PAUSE;
}

/* Handles in a multi, in two, in none. */
static void wrong_places(const char *url)
{
  CURL *easy = curl_easy_init();
  CURLM *one = curl_multi_init(), *other = curl_multi_init();
  int running;
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, wait_for_ever);
  EQUAL(curl_multi_remove_handle(one, easy), CURLM_OK);
  EQUAL(curl_multi_add_handle(one, easy), CURLM_OK);
  EQUAL(curl_multi_add_handle(one, easy), CURLM_ADDED_ALREADY);
  EQUAL(curl_multi_add_handle(other, easy), CURLM_ADDED_ALREADY);
  EQUAL(curl_multi_remove_handle(other, easy), CURLM_BAD_EASY_HANDLE);
  EQUAL(curl_easy_perform(easy), CURLE_FAILED_INIT);
  /* taken out in mid-transfer, into another multi, and out of that by its cleanup */
  EQUAL(curl_multi_perform(one, &running), CURLM_OK);
  EQUAL(running, 1);
  EQUAL(curl_multi_remove_handle(one, easy), CURLM_OK);
  EQUAL(curl_multi_remove_handle(one, easy), CURLM_OK);
  EQUAL(curl_multi_add_handle(other, easy), CURLM_OK);
  EQUAL(curl_multi_perform(other, &running), CURLM_OK);
  EQUAL(curl_multi_cleanup(other), CURLM_OK);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  /* cleaned up while it is in a multi */
  EQUAL(curl_multi_add_handle(one, easy), CURLM_OK);
  curl_easy_cleanup(easy);
  EQUAL(curl_multi_perform(one, &running), CURLM_OK);
  EQUAL(running, 0);
  EQUAL(curl_multi_cleanup(one), CURLM_OK);
}

struct inside {
  CURL *easy;
  CURLM *multi;
  int calls;
};

/* What may not be done in a callback is not done. */
static size_t calls_back(char *data, size_t size, size_t count, void *to)
{
  struct inside *inside = to;
  int running, left;
  long code = 0;
  (void)data;
  inside->calls++;
  EQUAL(curl_multi_perform(inside->multi, &running), CURLM_RECURSIVE_API_CALL);
  EQUAL(curl_multi_socket_action(inside->multi, CURL_SOCKET_TIMEOUT, 0, &running), CURLM_RECURSIVE_API_CALL);
  EQUAL(curl_multi_add_handle(inside->multi, inside->easy), CURLM_RECURSIVE_API_CALL);
  EQUAL(curl_multi_remove_handle(inside->multi, inside->easy), CURLM_RECURSIVE_API_CALL);
  EQUAL(curl_multi_cleanup(inside->multi), CURLM_RECURSIVE_API_CALL);
  EQUAL(curl_easy_perform(inside->easy), CURLE_RECURSIVE_API_CALL);
  CHECK(curl_multi_info_read(inside->multi, &left) == NULL);
  curl_easy_cleanup(inside->easy);
  /* and what may be is */
  EQUAL(curl_easy_getinfo(inside->easy, CURLINFO_RESPONSE_CODE, &code), CURLE_OK);
  EQUAL(code, 200);
  EQUAL(curl_easy_setopt(inside->easy, CURLOPT_PRIVATE, inside), CURLE_OK);
  return size * count;
}

static void calls_in_callbacks(const char *url)
{
  struct inside inside = { curl_easy_init(), curl_multi_init(), 0 };
  CURLMsg *message;
  int running = 1, left;
  curl_easy_setopt(inside.easy, CURLOPT_URL, url);
  curl_easy_setopt(inside.easy, CURLOPT_WRITEFUNCTION, calls_back);
  curl_easy_setopt(inside.easy, CURLOPT_WRITEDATA, &inside);
  EQUAL(curl_multi_add_handle(inside.multi, inside.easy), CURLM_OK);
  while(running) {
    EQUAL(curl_multi_perform(inside.multi, &running), CURLM_OK);
    EQUAL(curl_multi_poll(inside.multi, NULL, 0, 1000, NULL), CURLM_OK);
  }
  CHECK(inside.calls > 0);
  message = curl_multi_info_read(inside.multi, &left);
  CHECK(message && message->easy_handle == inside.easy && message->data.result == CURLE_OK);
  EQUAL(curl_multi_remove_handle(inside.multi, inside.easy), CURLM_OK);
  curl_easy_cleanup(inside.easy);
  EQUAL(curl_multi_cleanup(inside.multi), CURLM_OK);
}

/* A share that is in use stays. */
static void shares(void)
{
  CURLSH *share = curl_share_init();
  CURL *easy = curl_easy_init();
  EQUAL(curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE), CURLSHE_OK);
  EQUAL(curl_share_setopt(share, (CURLSHoption)99, 1L), CURLSHE_BAD_OPTION);
  EQUAL(curl_share_setopt(share, CURLSHOPT_SHARE, 99L), CURLSHE_BAD_OPTION);
  EQUAL(curl_easy_setopt(easy, CURLOPT_SHARE, share), CURLE_OK);
  EQUAL(curl_share_cleanup(share), CURLSHE_IN_USE);
  EQUAL(curl_share_setopt(share, CURLSHOPT_UNSHARE, CURL_LOCK_DATA_COOKIE), CURLSHE_IN_USE);
  EQUAL(curl_easy_setopt(easy, CURLOPT_SHARE, NULL), CURLE_OK);
  EQUAL(curl_share_cleanup(share), CURLSHE_OK);
  curl_easy_cleanup(easy);
}

/* A body of parts that would have itself as a part, and one that was freed. */
static void mimes(const char *url)
{
  CURL *easy = curl_easy_init();
  curl_mime *outer = curl_mime_init(easy), *inner = curl_mime_init(easy);
  curl_mimepart *part = curl_mime_addpart(outer), *within = curl_mime_addpart(inner);
  EQUAL(curl_mime_encoder(part, "rot13"), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_mime_filedata(part, "/nowhere/at/all"), CURLE_READ_ERROR);
  EQUAL(curl_mime_subparts(part, outer), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_mime_subparts(part, inner), CURLE_OK);
  EQUAL(curl_mime_subparts(within, outer), CURLE_BAD_FUNCTION_ARGUMENT);
  curl_mime_free(inner);
  curl_mime_free(outer);
  EQUAL(curl_mime_name(part, "a"), CURLE_BAD_FUNCTION_ARGUMENT);
  EQUAL(curl_mime_name(within, "a"), CURLE_BAD_FUNCTION_ARGUMENT);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_MIMEPOST, outer);
  /* as with curl, one that is freed is none any more: nothing is posted */
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  curl_easy_cleanup(easy);
}

int main(int count, char **args)
{
  if(count != 2)
    return 2;
  null_handles();
  wrong_handles();
  wrong_options();
  wrong_places(args[1]);
  calls_in_callbacks(args[1]);
  shares();
  mimes(args[1]);
  printf("%d failures\n", failures);
  return failures != 0;
}
