/** JMH benchmarks: {@code mvn -P jmh -DskipTests verify -Djmh="REGEX OPTIONS"}; {@code -Djmh=-l} lists them, {@code -Djmh=-h} tells the options. */
package io.sage4j.jmh;
