wants_cairn || return 1
java_program spring-data spring-data pom.xml Day Day.java
