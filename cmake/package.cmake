# ./dev package: the program, its service and its documents as a Debian package (CPack). What it depends on is read off
# the program by dpkg-shlibdeps. librdkafka is linked in.
set(doc share/doc/deltaforge)
install(TARGETS deltaforge RUNTIME DESTINATION bin)
install(FILES deploy/systemd/deltaforge.service DESTINATION lib/systemd/system)
install(FILES deploy/debian/deltaforge.1 DESTINATION share/man/man1)
install(FILES deploy/debian/copyright README.md CHANGELOG.md LICENSE-MIT DESTINATION ${doc})
install(DIRECTORY docs examples DESTINATION ${doc})
install(FILES deploy/README.md DESTINATION ${doc}/deploy)
install(DIRECTORY deploy/grafana deploy/prometheus DESTINATION ${doc}/deploy)
install(FILES deploy/debian/example.yaml DESTINATION /etc/deltaforge)
install(FILES deploy/debian/environment DESTINATION /etc/deltaforge PERMISSIONS OWNER_READ OWNER_WRITE) # holds secrets
install(DIRECTORY DESTINATION /etc/deltaforge/pipelines)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR})
set(CPACK_PACKAGE_NAME deltaforge)
set(CPACK_PACKAGE_CONTACT "DeltaForge <dev@deltaforge.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "change data capture from PostgreSQL, MySQL and MariaDB")
set(CPACK_PACKAGE_DESCRIPTION "Reads the replication log of a database and delivers every committed change of a row,
in commit order and whole transactions at a time, to files, Apache Kafka, Redis, NATS or a web service.")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/deploy/debian/postinst
    ${PROJECT_SOURCE_DIR}/deploy/debian/prerm ${PROJECT_SOURCE_DIR}/deploy/debian/postrm
    ${PROJECT_BINARY_DIR}/conffiles)
file(WRITE ${PROJECT_BINARY_DIR}/conffiles "/etc/deltaforge/environment\n/etc/deltaforge/example.yaml\n")
include(CPack)
