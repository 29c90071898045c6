# What `cmake --install` puts where, and the Debian package that cpack makes of it.
include(GNUInstallDirs)

if(TARGET rapport)
  install(TARGETS rapport RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs OPTIONAL)
install(FILES packaging/rapport.conf.example DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES packaging/rapport.service DESTINATION lib/systemd/system)
# What the program prints of itself: never out of step with it, and in no repository.
if(TARGET rapport)
  set(RAPPORT_PAGES ${CMAKE_BINARY_DIR}/packaging)
  file(MAKE_DIRECTORY ${RAPPORT_PAGES})
  add_custom_command(
    OUTPUT ${RAPPORT_PAGES}/rapport.1 ${RAPPORT_PAGES}/rapport.bash-completion
    COMMAND rapport manual > ${RAPPORT_PAGES}/rapport.1
    COMMAND rapport completion bash > ${RAPPORT_PAGES}/rapport.bash-completion
    DEPENDS rapport
    COMMENT "Writing the manual page"
    VERBATIM)
  add_custom_target(manual ALL DEPENDS ${RAPPORT_PAGES}/rapport.1 ${RAPPORT_PAGES}/rapport.bash-completion)
  install(FILES ${RAPPORT_PAGES}/rapport.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 OPTIONAL)
  install(
    FILES ${RAPPORT_PAGES}/rapport.bash-completion
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    RENAME rapport
    OPTIONAL)
endif()

# Outside the prefix: the package alone brings it, `cmake --install` leaves /etc as it is.
install(
  FILES packaging/rapport.conf.example
  DESTINATION /etc/rapport
  RENAME rapport.conf
  COMPONENT etc EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME rapport)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_CONTACT "The Rapport authors <maintainers@rapport.invalid>")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_SOURCE_DIR}/build)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL Unspecified etc)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates, tzdata")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/packaging/debian/conffiles
    ${PROJECT_SOURCE_DIR}/packaging/debian/postinst
    ${PROJECT_SOURCE_DIR}/packaging/debian/prerm
    ${PROJECT_SOURCE_DIR}/packaging/debian/postrm)
include(CPack)
