/*
 * Three transfers of one multi, one after the other, whose connections may be used again or not.
 *
 * forbid URL 0|1
 */
#include "check.h"

static size_t swallow(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  (void)to;
  return size * count;
}

int main(int argc, char **args)
{
  CURLM *multi = curl_multi_init();
  CURL *easy = curl_easy_init();
  int round, running, left;
  if(argc != 3)
    return 2;
  curl_easy_setopt(easy, CURLOPT_URL, args[1]);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, atol(args[2]));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
  for(round = 0; round < 3; round++) {
    CURLMsg *message;
    EQUAL(curl_multi_add_handle(multi, easy), CURLM_OK);
    for(running = 1; running;) {
      EQUAL(curl_multi_perform(multi, &running), CURLM_OK);
      EQUAL(curl_multi_poll(multi, NULL, 0, 1000, NULL), CURLM_OK);
    }
    message = curl_multi_info_read(multi, &left);
    CHECK(message && message->data.result == CURLE_OK);
    EQUAL(curl_multi_remove_handle(multi, easy), CURLM_OK);
  }
  curl_easy_cleanup(easy);
  EQUAL(curl_multi_cleanup(multi), CURLM_OK);
  printf("%d failures\n", failures);
  return failures != 0;
}
