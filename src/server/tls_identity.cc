#include "server/tls_identity.h"

#include <memory>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/error.h"
#include "server/private_file.h"

namespace deltaforge::server {

namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

Bio over(const std::string& text) { return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free}; }

// Asked for the pass phrase of a key: there is none.
int no_pass_phrase(char*, int, int, void*) { return 0; }

[[noreturn]] void refuse(const std::string& path, const std::string& option, const std::string& why,
                         const std::string& hint) {
  ERR_clear_error();
  throw Error(ErrorKind::config, "reading " + option + " " + path + ": " + why, hint);
}

}  // namespace

TlsIdentity load_tls_identity(const std::string& certificate_path, const std::string& key_path) {
  const std::string cert_option = "--api-tls-cert", key_option = "--api-tls-key";
  TlsIdentity identity{read_file(certificate_path, cert_option), read_private_file(key_path, key_option)};
  std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(over(identity.certificates).get(), nullptr, no_pass_phrase, nullptr), X509_free);
  if (!certificate)
    refuse(certificate_path, cert_option, "no PEM certificate in it",
           cert_option + " is a PEM file: the server's certificate, then those of its issuers");
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(over(identity.key).get(), nullptr, no_pass_phrase, nullptr), EVP_PKEY_free);
  if (!key)
    refuse(key_path, key_option, "no unencrypted PEM private key in it",
           key_option + " is a PEM file with the private key of " + cert_option + ", without a pass phrase");
  if (X509_check_private_key(certificate.get(), key.get()) != 1)
    refuse(key_path, key_option, "the key does not belong to the certificate in " + certificate_path,
           "give the two files of one pair");
  return identity;
}

}  // namespace deltaforge::server
