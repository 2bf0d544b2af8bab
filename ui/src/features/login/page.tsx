import { Container, Paper, Text, Title } from '@mantine/core';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { useEffect } from 'react';
import { LoginForm } from './login-form';

const route = getRouteApi('/login');

export function LoginPage() {
  const { next } = route.useSearch();
  const router = useRouter();
  useEffect(() => {
    document.title = 'Log in · Tierwall';
  }, []);
  return (
    <Container size={460} py="xl" component="main">
      <Title order={1}>Tierwall</Title>
      <Text c="dimmed" mb="md">Network policies created, seen and understood. What you may see and do here is what the Kubernetes API lets you.</Text>
      <Paper withBorder p="lg"><LoginForm next={next ?? '/'} onLogin={() => router.history.push(next ?? '/')} /></Paper>
    </Container>
  );
}
